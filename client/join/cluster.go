package join

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// Namespace is the namespace of the agent in a member.
const Namespace = "rollcall-system"

// requestTimeout limits each request to an API server.
const requestTimeout = 15 * time.Second

// Cluster is the API server of a hub or member.
type Cluster struct {
	// Context is the context of the kubeconfig, for messages.
	Context string
	// Host is the URL of the API server.
	Host     string
	Client   kubernetes.Interface
	Dynamic  dynamic.Interface
	Metadata metadata.Interface

	clock clock
}

// NewCluster returns the cluster of a context of a kubeconfig.
func NewCluster(kubeContext string, config *rest.Config) (*Cluster, error) {
	c := &Cluster{Context: kubeContext, Host: config.Host}
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.Timeout = requestTimeout
	config.WarningHandlerWithContext = rest.NoWarnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &clockTransport{next, &c.clock} })
	var err error
	if c.Client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("use the context %s: %w", kubeContext, err)
	}
	if c.Dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("use the context %s: %w", kubeContext, err)
	}
	if c.Metadata, err = metadata.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("use the context %s: %w", kubeContext, err)
	}
	return c, nil
}

// version returns the version of the API server.
func (c *Cluster) version() (string, error) {
	v, err := c.Client.Discovery().ServerVersion()
	if err != nil {
		return "", c.explain("read the version of Kubernetes", err)
	}
	return v.GitVersion, nil
}

// uid returns the UID of the cluster, which is that of its namespace kube-system.
func (c *Cluster) uid(ctx context.Context) (string, error) {
	ns, err := c.Client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", c.explain("read the UID of the namespace kube-system", err)
	}
	return string(ns.UID), nil
}

// configMap returns the data of a ConfigMap, or nil if there is none.
func (c *Cluster) configMap(ctx context.Context, namespace, name string) (map[string]string, error) {
	m, err := c.Client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, c.explain(fmt.Sprintf("read the ConfigMap %s/%s", namespace, name), err)
	}
	return m.Data, nil
}

// explain returns a Fault for an error of the API server.
func (c *Cluster) explain(action string, err error) error {
	var network *url.Error
	switch {
	case err == nil:
		return nil
	case apierrors.IsUnauthorized(err):
		return &Fault{
			fmt.Sprintf("%s: %s does not accept the credentials of the context %s", action, c.Host, c.Context),
			fmt.Sprintf("renew them, until `kubectl --context %s get namespaces` works", c.Context),
		}
	case apierrors.IsForbidden(err):
		return &Fault{fmt.Sprintf("%s: %v", action, err), fmt.Sprintf("use a context with more rights than %s, or have them granted", c.Context)}
	case errors.As(err, &network):
		return &Fault{
			fmt.Sprintf("%s: %s cannot be reached: %v", action, c.Host, network.Err),
			fmt.Sprintf("check the server of the context %s in your kubeconfig, and your network or VPN", c.Context),
		}
	}
	return fmt.Errorf("%s: %w", action, err)
}

// clock measures how far the clock of a server is ahead, by the header Date of its responses.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
	known bool
}

// clockTransport passes the responses of a RoundTripper to a clock.
type clockTransport struct {
	http.RoundTripper
	clock *clock
}

// RoundTrip implements http.RoundTripper.
func (t *clockTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	response, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		t.clock.observe(response.Header.Get("Date"), sent, time.Now())
	}
	return response, err
}

// observe records the date of a response. Servers cut dates to seconds, so half a second is added.
func (c *clock) observe(date string, sent, received time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead, c.known = at.Add(time.Second/2).Sub(sent.Add(received.Sub(sent)/2)), true
}

// skew returns how far the clock of c is ahead of that of other, to about a second. ok is false if that is not known.
func (c *Cluster) skew(other *Cluster) (ahead time.Duration, ok bool) {
	mine, known := c.clock.get()
	theirs, alsoKnown := other.clock.get()
	return mine - theirs, known && alsoKnown
}

func (c *clock) get() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead, c.known
}
