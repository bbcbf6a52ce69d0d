package stack

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/proc"
)

// User is the user of an agent in the audit log of its cluster.
const User = "system:serviceaccount:" + Namespace + ":rollcall-agent"

// Agent is a running rollcall-agent.
type Agent struct {
	*proc.Process
	// Cluster is the value of its --cluster-name.
	Cluster string
	// Endpoint is the wss URL for masters, Pin the pin of its certificate.
	Endpoint, Pin string
	// URL is the base URL of its health endpoints, MetricsURL that of its metrics.
	URL, MetricsURL string
	HTTP            *http.Client

	stack *Stack
	args  []string
}

// StartAgent installs a service account in the cluster, creates a certificate and
// starts an agent with name as its cluster name. It returns when the agent is ready.
func (s *Stack) StartAgent(ctx context.Context, cluster *kube.Cluster, name string, flags ...string) (*Agent, error) {
	kubeconfig, err := s.install(ctx, cluster, "agent")
	if err != nil {
		return nil, err
	}
	return s.StartAgentWithKubeconfig(ctx, kubeconfig, name, flags...)
}

// StartAgentWithKubeconfig is like StartAgent with the given kubeconfig.
func (s *Stack) StartAgentWithKubeconfig(ctx context.Context, kubeconfig, name string, flags ...string) (*Agent, error) {
	a, err := s.prepareAgent(ctx, kubeconfig, name, flags)
	if err != nil {
		return nil, err
	}
	return a, a.Start(ctx)
}

// prepareAgent creates a certificate, unless the name has one, and the arguments of an agent.
func (s *Stack) prepareAgent(ctx context.Context, kubeconfig, name string, flags []string) (*Agent, error) {
	certificates := filepath.Join(s.options.Dir, "certificates", name)
	if _, err := os.Stat(certificates); err != nil {
		if _, err := s.Run(ctx, "rollcall-agent", "certgen", certificates); err != nil {
			return nil, err
		}
	}
	listen, err := s.address("agent " + name)
	if err != nil {
		return nil, err
	}
	metrics, err := s.address("agent metrics " + name)
	if err != nil {
		return nil, err
	}
	pin, err := os.ReadFile(filepath.Join(certificates, "tls.pin"))
	if err != nil {
		return nil, fmt.Errorf("read the pin of the agent's certificate: %w", err)
	}
	return &Agent{
		Cluster: name, Endpoint: "wss://" + listen, Pin: strings.TrimSpace(string(pin)), URL: "https://" + listen, MetricsURL: "http://" + metrics, HTTP: client(),
		stack: s, args: append([]string{
			"--kubeconfig", kubeconfig, "--cluster-name", name, "--listen", listen, "--metrics-listen", metrics,
			"--tls-cert-file", filepath.Join(certificates, "tls.crt"), "--tls-key-file", filepath.Join(certificates, "tls.key"),
			"--master-public-key-file", s.SigningKey() + ".pub",
		}, flags...),
	}, nil
}

// Start starts the agent again after it has ended, with the same address.
func (a *Agent) Start(ctx context.Context) error {
	p, err := a.stack.start("rollcall-agent", "agent-"+a.Cluster, a.args)
	if err != nil {
		return err
	}
	a.Process = p
	a.stack.options.Log("agent %s: starting at %s", a.Cluster, a.Endpoint)
	return p.WaitReady(ctx, healthy(a.HTTP, a.URL+"/readyz"))
}

// Manifest returns the agent's ClusterAgent as YAML. reporting is the content of spec.reporting
// in flow style (`requestPeriod: 1s, cacheTTL: 3s`), or "" for the defaults.
func (a *Agent) Manifest(reporting string) string {
	return fmt.Sprintf(`apiVersion: rollcall.dev/v1alpha1
kind: ClusterAgent
metadata: {name: %s}
spec:
  endpoint: %s
  tls: {pinnedSHA256: [%s]}
  reporting: {%s}
`, a.Cluster, a.Endpoint, a.Pin, reporting)
}
