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

// dialTimeout limits the time to connect. Without it, an attempt that started while the API server was
// down could delay the next one after it is up again.
const dialTimeout = 5 * time.Second

// protobuf is the content type of all requests.
const protobuf = "application/vnd.kubernetes.protobuf"

// streamBuffer is the receive window of an HTTP/2 stream in bytes. The default of 4 MiB for each list
// that is streamed at the start would take as much memory as thousands of pods.
const streamBuffer = 256 << 10

// clients holds the clients of the watched API groups.
type clients struct{ core, discovery rest.Interface }

// clientsFor returns clients for the API server of cfg.
func clientsFor(cfg *rest.Config) (clients, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType = protobuf
	cfg.AcceptContentTypes = protobuf // the slim objects decode protobuf only
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme()).WithoutConversion()
	cfg.QPS = -1 // the reflectors' back-off limits the rate
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

// withSmallBuffers sets streamBuffer. The transport must not have been used yet.
func withSmallBuffers(transport http.RoundTripper) http.RoundTripper {
	if t, ok := transport.(*http.Transport); ok && t.HTTP2 == nil {
		t.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: streamBuffer}
	}
	return transport
}

// close closes idle connections.
func (c clients) close() {
	for _, client := range []rest.Interface{c.core, c.discovery} {
		if r, ok := client.(*rest.RESTClient); ok {
			utilnet.CloseIdleConnectionsFor(r.Client.Transport)
		}
	}
}

// clientFor returns a client for one API group.
func clientFor(cfg *rest.Config, path string, version schema.GroupVersion) (rest.Interface, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.APIPath = path
	cfg.GroupVersion = &version
	client, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("create a client for %s: %w", version, err)
	}
	return client, nil
}

// listWatch lists and watches a resource. Tests replace it by a fake.
type listWatch struct {
	// namespace is the namespace that is listed, "" for all.
	namespace string
	list      func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch     func(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// listWatchOf returns the listWatch of a resource in a namespace, or in all if it is "".
func listWatchOf(client rest.Interface, resource, namespace string) listWatch {
	get := func(options *metav1.ListOptions) *rest.Request {
		return client.Get().NamespaceIfScoped(namespace, namespace != "").Resource(resource).VersionedParams(options, metav1.ParameterCodec)
	}
	return listWatch{
		namespace: namespace,
		list: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return get(&options).Do(ctx).Get()
		},
		watch: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.Watch = true
			return get(&options).MaxRetries(0).Watch(ctx)
		},
	}
}
