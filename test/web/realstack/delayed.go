package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// gate is closed until open is called. open may be called again.
type gate struct {
	opened <-chan struct{}
	open   func()
}

// newGate returns a closed gate.
func newGate() gate {
	opened := make(chan struct{})
	return gate{opened, sync.OnceFunc(func() { close(opened) })}
}

// delayedAgent is an agent that responds late. The master reaches it through a TCP proxy that
// accepts connections but forwards nothing, and the agent reads usage through an API proxy
// that does not respond, until a test opens their gates.
type delayedAgent struct {
	agent    *stack.Agent
	tcpProxy *tcpProxy
	apiProxy *apiProxy
}

// startDelayedAgent starts an agent for a cluster, with both gates closed.
func startDelayedAgent(ctx context.Context, s *stack.Stack, cluster *kube.Cluster, dir string) (*delayedAgent, error) {
	a := &delayedAgent{}
	var err error
	if a.apiProxy, err = startAPIProxy(cluster.Config()); err != nil {
		return nil, err
	}
	kubeconfig, err := a.apiProxy.kubeconfig(ctx, cluster, dir)
	if err != nil {
		return nil, err
	}
	if a.agent, err = s.StartAgentWithKubeconfig(ctx, kubeconfig, delayedName); err != nil {
		return nil, err
	}
	if a.tcpProxy, err = startTCPProxy(strings.TrimPrefix(a.agent.Endpoint, "wss://")); err != nil {
		return nil, err
	}
	return a, nil
}

// manifest returns the ClusterAgent of the agent. The master connects only on demand.
func (a *delayedAgent) manifest() string {
	proxied := stack.Agent{Cluster: delayedName, Endpoint: "wss://" + a.tcpProxy.listener.Addr().String(), Pin: a.agent.Pin}
	return proxied.Manifest("idleRefresh: 0s")
}

// close opens the gates and closes the proxies.
func (a *delayedAgent) close() error {
	a.tcpProxy.listener.Close()
	a.tcpProxy.open()
	a.apiProxy.open()
	return a.apiProxy.server.Close()
}

// tcpProxy forwards TCP connections once its gate is open.
type tcpProxy struct {
	gate
	listener net.Listener
	target   string
}

// startTCPProxy starts a proxy to an address.
func startTCPProxy(target string) (*tcpProxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &tcpProxy{newGate(), listener, target}
	go p.serve()
	return p, nil
}

// serve accepts connections until the listener is closed.
func (p *tcpProxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.forward(client)
	}
}

// forward forwards one connection.
func (p *tcpProxy) forward(client net.Conn) {
	defer client.Close()
	<-p.opened
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	go func() {
		defer server.Close() // ends the other direction as well
		_, _ = io.Copy(server, client)
	}()
	_, _ = io.Copy(client, server)
}

// apiProxy forwards requests to the API server of a cluster. Requests for metrics.k8s.io wait
// until its gate is open.
type apiProxy struct {
	gate
	server *http.Server
	url    string
}

// startAPIProxy starts a proxy to an API server.
func startAPIProxy(cluster *rest.Config) (*apiProxy, error) {
	forward, err := reverseProxy(cluster)
	if err != nil {
		return nil, err
	}
	pair, err := tlsfiles.SelfSigned("api-proxy", []string{"127.0.0.1"}, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	certificate, err := pair.Certificate()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &apiProxy{gate: newGate(), url: "https://" + listener.Addr().String()}
	p.server = &http.Server{
		Handler: p.delayUsage(forward), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
	}
	go func() { _ = p.server.ServeTLS(listener, "", "") }()
	return p, nil
}

// reverseProxy returns a handler that forwards requests with the credentials of the client.
func reverseProxy(cluster *rest.Config) (http.Handler, error) {
	target, err := url.Parse(cluster.Host)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(cluster))
	if err != nil {
		return nil, fmt.Errorf("create a transport to %s: %w", cluster.Host, err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}, nil
}

// delayUsage returns a handler that forwards requests, those for metrics.k8s.io after the gate is open.
func (p *apiProxy) delayUsage(forward http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/apis/metrics.k8s.io/") {
			select {
			case <-p.opened:
			case <-r.Context().Done():
				return
			}
		}
		forward.ServeHTTP(rw, r)
	})
}

// kubeconfig writes a kubeconfig of the agent's service account that points to the proxy, and
// returns its path.
func (p *apiProxy) kubeconfig(ctx context.Context, cluster *kube.Cluster, dir string) (path string, err error) {
	_, direct, err := cluster.ServiceAccount(ctx, stack.Namespace, "rollcall-agent")
	if err != nil {
		return "", err
	}
	kubeconfig, err := clientcmd.LoadFromFile(direct)
	if err != nil {
		return "", err
	}
	for _, c := range kubeconfig.Clusters {
		c.Server, c.CertificateAuthorityData, c.InsecureSkipTLSVerify = p.url, nil, true
	}
	path = filepath.Join(dir, "api-proxy.kubeconfig")
	return path, clientcmd.WriteToFile(*kubeconfig, path)
}
