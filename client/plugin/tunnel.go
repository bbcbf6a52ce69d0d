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

// forward reaches the master by port-forward. Its certificate is checked where it is said
// how, and where the hub has the CA of masters that sign their own: for the name of their
// Service. Else who is reached is what the hub's API server says, over a connection that is
// checked.
func (c *connection) forward(ctx context.Context, hub, asks *rest.Config) (*client.Client, func(), error) {
	through := *c
	if c.caFile == "" && c.serverName == "" && !c.insecure {
		through.published = publishedCA(ctx, hub, c.namespace)
		through.insecure = through.published == nil
	}
	tunnel := &tunnel{ctx: ctx, hub: hub, namespace: c.namespace, selector: c.selector}
	transport, err := through.transport(asks, tunnel.dial)
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

// tunnel is a port-forward to a ready master, made when it is needed and made anew
// when it broke.
type tunnel struct {
	ctx                 context.Context
	hub                 *rest.Config
	namespace, selector string

	mu      sync.Mutex
	current *forwarding
}

// forwarding is one port-forward; ended is closed when it is over, for why.
type forwarding struct {
	local string
	stop  context.CancelFunc
	ended chan struct{}
	why   error
}

// dial connects to the master, whatever the address.
func (t *tunnel) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	local, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", local)
}

// open gives the local address of a port-forward that lives.
func (t *tunnel) open(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		select {
		case <-t.current.ended:
		default:
			return t.current.local, nil
		}
	}
	clients, err := kubernetes.NewForConfig(t.hub)
	if err != nil {
		return "", fmt.Errorf("find a master in the hub: %w", err)
	}
	pods, err := clients.CoreV1().Pods(t.namespace).List(ctx, metav1.ListOptions{LabelSelector: t.selector})
	if err != nil {
		return "", fmt.Errorf("find a master in the hub, or name one by --server: %w", err)
	}
	pod, port, err := choose(pods.Items)
	if err != nil {
		return "", fmt.Errorf("find a master among the pods %s of namespace %s, or name one by --server: %w", t.selector, t.namespace, err)
	}
	target := clients.CoreV1().RESTClient().Post().Resource("pods").Namespace(t.namespace).Name(pod).SubResource("portforward")
	dialer, err := dialerOf(t.hub, target.URL())
	if err != nil {
		return "", fmt.Errorf("forward a port to pod %s: %w", pod, err)
	}
	if t.current, err = begin(t.ctx, ctx, dialer, port); err != nil {
		return "", fmt.Errorf("forward port %d to pod %s/%s: %w", port, t.namespace, pod, err)
	}
	return t.current.local, nil
}

func (t *tunnel) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		t.current.stop()
		<-t.current.ended
	}
}

// choose is the first pod that is ready, and its port.
func choose(pods []corev1.Pod) (name string, port int32, err error) {
	if len(pods) == 0 {
		return "", 0, errors.New("there are none")
	}
	for _, p := range pods {
		if ready(&p) {
			return p.Name, portOf(&p), nil
		}
	}
	return "", 0, fmt.Errorf("none of the %d is ready", len(pods))
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

// dialerOf speaks to the API server as kubectl port-forward does: over a websocket, and
// over SPDY where the server does not know that.
func dialerOf(hub *rest.Config, target *url.URL) (streamhttp.Dialer, error) {
	transport, upgrader, err := spdy.RoundTripperFor(hub)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	dialer, err := portforward.NewSPDYOverWebsocketDialerForStreamingWithLogger(logr.Discard(), target, hub)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(dialer, old, func(err error) bool {
		return streamhttp.IsUpgradeFailure(err) || streamhttp.IsHTTPSProxyError(err)
	}), nil
}

// begin starts a port-forward that lasts as long as its life, and waits for it.
func begin(life, ctx context.Context, dialer streamhttp.Dialer, port int32) (*forwarding, error) {
	// What goes wrong with one connection is told to who uses it, and not logged too.
	life, stop := context.WithCancel(logr.NewContext(life, logr.Discard()))
	started := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesForStreamingWithContext(life, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, started, io.Discard, io.Discard)
	if err != nil {
		stop()
		return nil, err
	}
	f := &forwarding{stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(f.ended)
		f.why = forwarder.ForwardPorts()
	}()
	select {
	case <-started:
	case <-f.ended:
		stop()
		return nil, f.why
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
