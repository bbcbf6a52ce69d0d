package informer

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// dialTimeout bounds a connection's start: an API server that is back is not
// missed because a packet to the one that was away is still being waited for.
const dialTimeout = 5 * time.Second

const protobuf = "application/vnd.kubernetes.protobuf"

// streamBuffer is how much of a stream an API server may send ahead of what has been
// decoded. HTTP/2's usual 4 MiB would be, for each of the lists that are streamed at
// the start, as much memory as thousands of pods.
const streamBuffer = 256 << 10

// clients talk to the API groups that are watched.
type clients struct{ core, discovery rest.Interface }

func clientsFor(cfg *rest.Config) (clients, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType = protobuf
	cfg.AcceptContentTypes = protobuf // slim objects have no other form
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme()).WithoutConversion()
	cfg.QPS = -1 // the reflectors' back-off is limit enough
	cfg.WarningHandlerWithContext = rest.NoWarnings{}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext
	}
	cfg.Wrap(withSmallBuffers)
	core, err := clientFor(cfg, "/api", corev1.SchemeGroupVersion)
	if err != nil {
		return clients{}, err
	}
	discovery, err := clientFor(cfg, "/apis", discoveryv1.SchemeGroupVersion)
	if err != nil {
		return clients{}, err
	}
	return clients{core: core, discovery: discovery}, nil
}

// withSmallBuffers bounds what is received ahead. The transport has not been used yet.
func withSmallBuffers(transport http.RoundTripper) http.RoundTripper {
	if t, ok := transport.(*http.Transport); ok && t.HTTP2 == nil {
		t.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: streamBuffer}
	}
	return transport
}

// close ends the connections, which a client would keep for a next request.
func (c clients) close() {
	for _, client := range []rest.Interface{c.core, c.discovery} {
		if r, ok := client.(*rest.RESTClient); ok {
			utilnet.CloseIdleConnectionsFor(r.Client.Transport)
		}
	}
}

func clientFor(cfg *rest.Config, path string, version schema.GroupVersion) (rest.Interface, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.APIPath = path
	cfg.GroupVersion = &version
	client, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", version, err)
	}
	return client, nil
}

// endpoint is how a resource is read in all namespaces. Tests have their own.
type endpoint struct {
	list  func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch func(context.Context, metav1.ListOptions) (watch.Interface, error)
}

func endpointOf(client rest.Interface, resource string) endpoint {
	get := func(options *metav1.ListOptions) *rest.Request {
		return client.Get().Resource(resource).VersionedParams(options, metav1.ParameterCodec)
	}
	return endpoint{
		list: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return get(&options).Do(ctx).Get()
		},
		watch: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.Watch = true
			return get(&options).MaxRetries(0).Watch(ctx)
		},
	}
}
