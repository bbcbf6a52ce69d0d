package usage

import (
	"context"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// lister opens the list of a resource of metrics.k8s.io in all namespaces, as JSON. The
// caller closes the body.
type lister func(ctx context.Context, resource string) (io.ReadCloser, error)

// listerFor returns a lister for the API server of cfg, and a function that closes its
// idle connections.
func listerFor(cfg *rest.Config) (list lister, closeIdle func(), err error) {
	cfg = rest.CopyConfig(cfg)
	cfg.APIPath = "/apis"
	cfg.GroupVersion = &schema.GroupVersion{Group: "metrics.k8s.io", Version: "v1beta1"}
	cfg.ContentType = runtime.ContentTypeJSON
	cfg.AcceptContentTypes = runtime.ContentTypeJSON
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(statusScheme()).WithoutConversion()
	cfg.WarningHandlerWithContext = rest.NoWarnings{}
	client, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("create a client for metrics.k8s.io: %w", err)
	}
	list = func(ctx context.Context, resource string) (io.ReadCloser, error) {
		return client.Get().Resource(resource).MaxRetries(0).Stream(ctx)
	}
	return list, func() { utilnet.CloseIdleConnectionsFor(client.Client.Transport) }, nil
}

// statusScheme returns a scheme with metav1.Status, the type of the API server's errors.
func statusScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	return s
}
