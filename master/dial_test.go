package master

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/master/egress"
)

// newInternalServer starts a server on a loopback address. connected returns the number of connections
// since its last call.
func newInternalServer(t *testing.T) (address string, connected func() int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String(), func() int {
		n := 0
		for {
			_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Millisecond))
			c, err := listener.Accept()
			if err != nil {
				return n
			}
			c.Close()
			n++
		}
	}
}

func TestAgentDialer(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for name, tc := range map[string]struct {
		edit func(c *Config, address string)
		hub  func(address string) string
		want string // a part of the error, empty if the connection is allowed
	}{
		"no flag":                       {want: "requires --dial-loopback"},
		"loopback":                      {edit: func(c *Config, _ string) { c.DialLoopback = true }},
		"the hub":                       {edit: func(c *Config, _ string) { c.DialLoopback = true }, hub: func(a string) string { return "https://" + a }, want: "requires --dial-hub-api"},
		"the hub, allowed":              {edit: func(c *Config, _ string) { c.DialLoopback, c.DialHubAPI = true, true }, hub: func(a string) string { return "https://" + a }},
		"outside of the allowed ranges": {edit: func(c *Config, _ string) { c.DialLoopback, c.DialAllow = true, []string{"10.0.0.0/8"} }, want: "--dial-allow"},
		"inside of the allowed ranges":  {edit: func(c *Config, _ string) { c.DialLoopback, c.DialAllow = true, []string{"127.0.0.0/8"} }},
		"denied":                        {edit: func(c *Config, _ string) { c.DialLoopback, c.DialDeny = true, []string{"127.0.0.1"} }, want: "--dial-deny"},
		"proxy":                         {edit: func(c *Config, a string) { c.DialProxy = "http://" + a }},
	} {
		address, connected := newInternalServer(t)
		c := Default()
		if tc.edit != nil {
			tc.edit(&c, address)
		}
		hub := "https://127.0.0.2:6443"
		if tc.hub != nil {
			hub = tc.hub(address)
		}
		dial, proxy, err := c.agentDialer(&rest.Config{Host: hub})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if (proxy != nil) != (c.DialProxy != "") {
			t.Errorf("%s: got proxy %v, want one only with --dial-proxy", name, proxy)
		}
		conn, err := dial(t.Context(), "tcp", address)
		if err == nil {
			conn.Close()
		}
		n := connected()
		if tc.want == "" && (err != nil || n != 1) || tc.want != "" && (!errors.Is(err, egress.ErrRefused) || !strings.Contains(err.Error(), tc.want) || n != 0) {
			t.Errorf("%s: got %v and %d connections, want %q", name, err, n, tc.want)
		}
	}
}

// TestClusterAgentCannotScanTheMastersNetwork registers endpoints that are a service on the machine of
// the master.
func TestClusterAgentCannotScanTheMastersNetwork(t *testing.T) {
	cluster := hub(t)
	address, connected := newInternalServer(t)
	_, port, _ := net.SplitHostPort(address)
	r := start(t, cluster, func(c *Config) { c.LeaderElect, c.DialLoopback = false, false })
	r.waitForStatus("/readyz", http.StatusOK)
	for name, host := range map[string]string{"probe-name": "localhost", "probe-address": "127.0.0.1", "probe-mapped": "[::ffff:127.0.0.1]"} {
		register(t, cluster, name, `{endpoint: "wss://`+host+`:`+port+`"}`)
		if body := r.waitForStatus("/api/v1/clusters/"+name, http.StatusServiceUnavailable); !strings.Contains(body, "must not be dialed") {
			t.Errorf("%s: got %s, want that the address must not be dialed", host, body)
		}
	}
	if n := connected(); n != 0 {
		t.Errorf("got %d connections of the master, want none", n)
	}
}

// TestHostHeaderWithoutAuthentication sends the Host header of a web page whose name resolves to
// 127.0.0.1 (DNS rebinding).
func TestHostHeaderWithoutAuthentication(t *testing.T) {
	r := start(t, hub(t), func(c *Config) { c.LeaderElect = false })
	r.waitForStatus("/readyz", http.StatusOK)
	for host, want := range map[string]int{"attacker.example": 421, "attacker.example:8443": 421, "localhost:1": 200, "127.0.0.9": 200, "[::1]:8443": 200, "10.0.0.1": 421} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/api/v1/clusters", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := r.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("Host: %s: got %d, want %d", host, response.StatusCode, want)
		}
	}
}
