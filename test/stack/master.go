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
	// URL is of its HTTP API, without a path.
	URL  string
	HTTP *http.Client

	stack *Stack
	args  []string
}

// StartMaster installs the custom resources and a service account in the hub and
// starts a master; it is ready when this returns. Further flags come last.
func (s *Stack) StartMaster(ctx context.Context, hub *kube.Cluster, flags ...string) (*Master, error) {
	kubeconfig, err := s.install(ctx, hub, "master", "crd")
	if err != nil {
		return nil, err
	}
	if _, err := hub.Kubectl("wait", "--for=condition=Established", "crd", "clusteragents.rollcall.dev", "clusterstatuses.rollcall.dev"); err != nil {
		return nil, err
	}
	listen, err := s.address("master " + hub.Name)
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

// Start starts it again after it ended, on the same address.
func (m *Master) Start(ctx context.Context) error {
	p, err := m.stack.start("rollcall-master", "master", m.args)
	if err != nil {
		return err
	}
	m.Process = p
	m.stack.options.Log("master: starting at %s", m.URL)
	return p.WaitReady(ctx, healthy(m.HTTP, m.URL+"/readyz"))
}

// Restart starts it again with other flags behind those it had.
func (m *Master) Restart(ctx context.Context, flags ...string) error {
	m.args = append(slices.Clip(m.args), flags...)
	return m.Start(ctx)
}

// Get sends a GET to the master's HTTP API. path begins with a slash.
func (m *Master) Get(ctx context.Context, path string) (*Answer, error) {
	return m.GetAs(ctx, path, nil)
}

// GetAs is like Get with headers. If they have Accept-Encoding, the body is returned as it was
// sent.
func (m *Master) GetAs(ctx context.Context, path string, header http.Header) (*Answer, error) {
	return get(ctx, m.HTTP, m.URL+path, header)
}
