package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	streamhttp "k8s.io/streaming/pkg/httpstream"
	"rollcall.dev/rollcall/client"
)

// forward returns a client that connects to the master by port-forward. The master's
// certificate is verified if --certificate-authority or --tls-server-name is given, or if
// the masters publish their CA in the hub. The expected name is that of their Service.
// Otherwise the certificate is not verified. The connection to the hub's API server, which
// forwards the port, is verified.
func (c *connection) forward(ctx context.Context, hub, credentials *rest.Config) (*client.Client, func(), error) {
	forwarded := *c
	if c.caFile == "" && c.serverName == "" && !c.insecure {
		forwarded.publishedCA = readPublishedCA(ctx, hub, c.namespace)
		forwarded.insecure = forwarded.publishedCA == nil
	}
	tunnel := &tunnel{ctx: ctx, hub: hub, namespace: c.namespace, selector: c.selector}
	transport, err := forwarded.transport(credentials, tunnel.dial)
	if err != nil {
		return nil, nil, err
	}
	master, err := client.New(client.Config{
		Server:    fmt.Sprintf("https://rollcall-master.%s.svc", c.namespace),
		Transport: transport, UserAgent: userAgent,
	})
	if err != nil {
		return nil, nil, err
	}
	return master, func() { transport.close(); tunnel.close() }, nil
}

// tunnel is a port-forward to a ready master. It is opened when it is needed, and again
// after it has failed.
type tunnel struct {
	ctx                 context.Context
	hub                 *rest.Config
	namespace, selector string

	mu      sync.Mutex
	current *portForward
}

// portForward is one port-forward, which listens at local. done is closed when it has ended,
// with err.
type portForward struct {
	local string
	stop  context.CancelFunc
	done  chan struct{}
	err   error
}

// dial connects to the master. It ignores the address.
func (t *tunnel) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	local, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", local)
}

// open returns the local address of the port-forward, and starts one if there is none.
func (t *tunnel) open(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		select {
		case <-t.current.done:
		default:
			return t.current.local, nil
		}
	}
	api, err := kubernetes.NewForConfig(t.hub)
	if err != nil {
		return "", fmt.Errorf("find a master in the hub: %w", err)
	}
	pods, err := api.CoreV1().Pods(t.namespace).List(ctx, metav1.ListOptions{LabelSelector: t.selector})
	if err != nil {
		return "", fmt.Errorf("find a master in the hub (or set --server): %w", err)
	}
	pod, port, err := chooseReady(pods.Items)
	if err != nil {
		return "", fmt.Errorf("find a master among the pods %s in namespace %s (or set --server): %w", t.selector, t.namespace, err)
	}
	target := api.CoreV1().RESTClient().Post().Resource("pods").Namespace(t.namespace).Name(pod).SubResource("portforward")
	dialer, err := newDialer(t.hub, target.URL())
	if err != nil {
		return "", fmt.Errorf("port-forward to pod %s: %w", pod, err)
	}
	if t.current, err = startForward(t.ctx, ctx, dialer, port); err != nil {
		return "", fmt.Errorf("port-forward to port %d of pod %s/%s: %w", port, t.namespace, pod, err)
	}
	return t.current.local, nil
}

func (t *tunnel) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		t.current.stop()
		<-t.current.done
	}
}

// chooseReady returns the first ready pod, and its port.
func chooseReady(pods []corev1.Pod) (name string, port int32, err error) {
	if len(pods) == 0 {
		return "", 0, errors.New("no pods found")
	}
	for _, p := range pods {
		if ready(&p) {
			return p.Name, portOf(&p), nil
		}
	}
	return "", 0, fmt.Errorf("none of %d pods is ready", len(pods))
}

func ready(p *corev1.Pod) bool {
	if p.DeletionTimestamp != nil {
		return false
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// portOf returns the port of a master's pod.
func portOf(p *corev1.Pod) int32 {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == masterPortName {
				return port.ContainerPort
			}
		}
	}
	return masterPort
}

// newDialer returns a dialer that connects to the API server as kubectl port-forward does:
// by websocket, or by SPDY if the server does not support websockets.
func newDialer(hub *rest.Config, target *url.URL) (streamhttp.Dialer, error) {
	transport, upgrader, err := spdy.RoundTripperFor(hub)
	if err != nil {
		return nil, err
	}
	spdyDialer := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	dialer, err := portforward.NewSPDYOverWebsocketDialerForStreamingWithLogger(logr.Discard(), target, hub)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(dialer, spdyDialer, func(err error) bool {
		return streamhttp.IsUpgradeFailure(err) || streamhttp.IsHTTPSProxyError(err)
	}), nil
}

// startForward starts a port-forward that lasts until lifetime ends, and waits until it is
// ready or ctx ends.
func startForward(lifetime, ctx context.Context, dialer streamhttp.Dialer, port int32) (*portForward, error) {
	// Errors of a connection are returned to its user, and not logged too.
	lifetime, stop := context.WithCancel(logr.NewContext(lifetime, logr.Discard()))
	started := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(lifetime, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, started, io.Discard, io.Discard)
	if err != nil {
		stop()
		return nil, err
	}
	f := &portForward{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.err = forwarder.ForwardPorts()
	}()
	select {
	case <-started:
	case <-f.done:
		stop()
		return nil, f.err
	case <-ctx.Done():
		stop()
		return nil, context.Cause(ctx)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		stop()
		return nil, err
	}
	f.local = fmt.Sprintf("127.0.0.1:%d", ports[0].Local)
	return f, nil
}
