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

// hold keeps whoever waits for free until it is let go, which may be done again.
type hold struct {
	free  <-chan struct{}
	letGo func()
}

func newHold() hold {
	free := make(chan struct{})
	return hold{free, sync.OnceFunc(func() { close(free) })}
}

// late is an agent of a cluster that keeps everybody waiting: the master, which reaches
// it through a door that takes connections and says nothing, and the agent itself, which
// asks a desk for usage that has none yet; until a test lets them go.
type late struct {
	agent *stack.Agent
	door  *door
	desk  *desk
}

func startLate(ctx context.Context, s *stack.Stack, cluster *kube.Cluster, dir string) (*late, error) {
	l := &late{}
	var err error
	if l.desk, err = openDesk(cluster.Config()); err != nil {
		return nil, err
	}
	kubeconfig, err := l.desk.kubeconfig(ctx, cluster, dir)
	if err != nil {
		return nil, err
	}
	if l.agent, err = s.StartAgentAs(ctx, kubeconfig, lateName); err != nil {
		return nil, err
	}
	if l.door, err = openDoor(strings.TrimPrefix(l.agent.Endpoint, "wss://")); err != nil {
		return nil, err
	}
	return l, nil
}

// manifest returns the agent's ClusterAgent. The master does not dial it before there is
// demand.
func (l *late) manifest() string {
	a := stack.Agent{Cluster: lateName, Endpoint: "wss://" + l.door.listener.Addr().String(), Pin: l.agent.Pin}
	return a.Manifest("idleRefresh: 0s")
}

func (l *late) close() error {
	l.door.listener.Close()
	l.door.letGo()
	l.desk.letGo()
	return l.desk.server.Close()
}

// door forwards TCP connections, once it is let go.
type door struct {
	hold
	listener net.Listener
	leadsTo  string
}

func openDoor(leadsTo string) (*door, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{newHold(), listener, leadsTo}
	go d.serve()
	return d, nil
}

func (d *door) serve() {
	for {
		outside, err := d.listener.Accept()
		if err != nil {
			return
		}
		go d.lead(outside)
	}
}

func (d *door) lead(outside net.Conn) {
	defer outside.Close()
	<-d.free
	inside, err := net.Dial("tcp", d.leadsTo)
	if err != nil {
		return
	}
	go func() {
		defer inside.Close() // which ends the other direction too
		_, _ = io.Copy(inside, outside)
	}()
	_, _ = io.Copy(outside, inside)
}

// desk is a cluster's API server to an agent. What is asked of metrics.k8s.io waits until
// it is let go; all else is answered at once.
type desk struct {
	hold
	server *http.Server
	url    string
}

func openDesk(cluster *rest.Config) (*desk, error) {
	forward, err := forwardTo(cluster)
	if err != nil {
		return nil, err
	}
	pair, err := tlsfiles.SelfSigned("desk", []string{"127.0.0.1"}, 24*time.Hour)
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
	d := &desk{hold: newHold(), url: "https://" + listener.Addr().String()}
	d.server = &http.Server{
		Handler: d.patiently(forward), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
	}
	go func() { _ = d.server.ServeTLS(listener, "", "") }()
	return d, nil
}

// forwardTo hands requests on as they come, with the rights of whoever asks.
func forwardTo(cluster *rest.Config) (http.Handler, error) {
	target, err := url.Parse(cluster.Host)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(cluster))
	if err != nil {
		return nil, fmt.Errorf("make a way to %s: %w", cluster.Host, err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}, nil
}

func (d *desk) patiently(forward http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/apis/metrics.k8s.io/") {
			select {
			case <-d.free:
			case <-r.Context().Done():
				return
			}
		}
		forward.ServeHTTP(rw, r)
	})
}

// kubeconfig returns the path of the kubeconfig of an agent that StartAgent installed, changed
// to connect through the desk.
func (d *desk) kubeconfig(ctx context.Context, cluster *kube.Cluster, dir string) (path string, err error) {
	_, direct, err := cluster.ServiceAccount(ctx, stack.Namespace, "rollcall-agent")
	if err != nil {
		return "", err
	}
	kubeconfig, err := clientcmd.LoadFromFile(direct)
	if err != nil {
		return "", err
	}
	for _, c := range kubeconfig.Clusters {
		c.Server, c.CertificateAuthorityData, c.InsecureSkipTLSVerify = d.url, nil, true
	}
	path = filepath.Join(dir, "desk.kubeconfig")
	return path, clientcmd.WriteToFile(*kubeconfig, path)
}
