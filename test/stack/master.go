package stack

import (
	"context"
	"net/http"
	"slices"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/proc"
)

// Master is a running rollcall-master.
type Master struct {
	*proc.Process
	// URL is the base URL of its HTTP API.
	URL  string
	HTTP *http.Client

	stack *Stack
	args  []string
}

// StartMaster installs the custom resources and a service account in the hub and
// starts a master. It returns when the master is ready. flags come after the default flags.
func (s *Stack) StartMaster(ctx context.Context, hub *kube.Cluster, flags ...string) (*Master, error) {
	kubeconfig, err := s.install(ctx, hub, "master", "crd")
	if err != nil {
		return nil, err
	}
	if _, err := hub.Kubectl("wait", "--for=condition=Established", "crd", "clusteragents.rollcall.dev", "clusterstatuses.rollcall.dev"); err != nil {
		return nil, err
	}
	use := "master " + hub.Name
	if i := slices.Index(flags, "--pod-name"); i >= 0 {
		use += " " + flags[i+1]
	}
	listen, err := s.address(use)
	if err != nil {
		return nil, err
	}
	m := &Master{stack: s, URL: scheme(flags) + listen, HTTP: client(), args: append([]string{
		"--kubeconfig", kubeconfig, "--listen", listen, "--auth", "none", "--dial-loopback", "--signing-key-file", s.SigningKey(),
	}, flags...)}
	return m, m.Start(ctx)
}

// scheme returns the URL scheme of a master with these flags.
func scheme(flags []string) string {
	if slices.Contains(flags, "--insecure") && !slices.Contains(flags, "--tls-cert-file") {
		return "http://"
	}
	return "https://"
}

// Start starts the master again after it has ended, with the same address.
func (m *Master) Start(ctx context.Context) error {
	p, err := m.stack.start("rollcall-master", "master", m.args)
	if err != nil {
		return err
	}
	m.Process = p
	m.stack.options.Log("master: starting at %s", m.URL)
	return p.WaitReady(ctx, healthy(m.HTTP, m.URL+"/readyz"))
}

// Restart starts the master again after it has ended, with additional flags.
func (m *Master) Restart(ctx context.Context, flags ...string) error {
	m.args = append(slices.Clip(m.args), flags...)
	return m.Start(ctx)
}

// Get sends a GET to the master's HTTP API. path starts with a slash.
func (m *Master) Get(ctx context.Context, path string) (*Response, error) {
	return m.GetWithHeader(ctx, path, nil)
}

// GetWithHeader is like Get, with request headers. If they include Accept-Encoding, the body is not
// decompressed.
func (m *Master) GetWithHeader(ctx context.Context, path string, header http.Header) (*Response, error) {
	return getResponse(ctx, m.HTTP, m.URL+path, header)
}
