package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHostsAccepts(t *testing.T) {
	for host, want := range map[string]struct{ loopback, addresses, named bool }{
		"localhost": {true, true, true}, "localhost:8443": {true, true, true}, "LocalHost:1": {true, true, true},
		"127.0.0.1": {true, true, true}, "127.0.0.1:8443": {true, true, true}, "127.255.0.9:80": {true, true, true},
		"[::1]": {true, true, true}, "[::1]:8443": {true, true, true}, "[::ffff:127.0.0.1]:8443": {true, true, true},
		"10.0.0.1:8443": {false, true, false}, "0.0.0.0:8443": {false, true, false}, "[2001:db8::1]:8443": {false, true, false},
		"hub.example": {false, false, true}, "HUB.example:8443": {false, false, true},
		"attacker.example": {}, "attacker.example:8443": {}, "localhost.attacker.example": {}, "127.0.0.1.attacker.example:8443": {},
		"127.0.0.1:8443@attacker.example": {}, "localhost:8443.attacker.example": {}, "sub.hub.example": {}, "localhost.": {}, "x.localhost": {},
		"": {}, ":8443": {}, "::1": {}, "[::1": {}, "[localhost]": {}, "[127.0.0.1]:80": {}, "[fe80::1%25eth0]": {}, "[::1%lo]:80": {}, "2130706433": {}, "0x7f.1": {}, "127.1": {},
	} {
		for name, tc := range map[string]struct {
			hosts Hosts
			want  bool
		}{
			"loopback": {Hosts{}, want.loopback}, "addresses": {Hosts{Addresses: true}, want.addresses}, "named": {Hosts{Names: []string{"hub.example"}}, want.named},
		} {
			if got := tc.hosts.Accepts(host); got != tc.want {
				t.Errorf("%s: host %q: got accepted %t, want %t", name, host, got, tc.want)
			}
		}
	}
}

// TestDNSRebindingIsRejected simulates a page whose host name resolves to the master's loopback
// address.
func TestDNSRebindingIsRejected(t *testing.T) {
	f := shop(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("the page")) })
	api := f.api(func(c *Config) { c.Hosts, c.Page = &Hosts{}, page })
	for _, path := range []string{"/", "/assets/a.js", "/api/v1/clusters", "/api/v1/clusters/prod-eu", "/api/v1/clusters?watch=true", "/api/v1/session", "/metrics", "/readyz", "/api", "/nothing"} {
		for _, upgrade := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = "attacker.example:8443"
			if upgrade {
				for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Origin": "https://attacker.example:8443"} {
					r.Header.Set(name, value)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // for what would have no end
			w := do(api, r.WithContext(ctx))
			cancel()
			if w.Code != http.StatusMisdirectedRequest || !strings.Contains(w.Body.String(), `"reason":"Misdirected"`) || strings.Contains(w.Body.String(), "prod-eu") {
				t.Errorf("%s, upgrade %t: got %d %s, want 421", path, upgrade, w.Code, w.Body)
			}
		}
	}
	if len(f.Demanded) > 0 {
		t.Errorf("got demand for %v by rejected requests, want none", f.Demanded)
	}
	r := httptest.NewRequest(http.MethodGet, "/api/v1/clusters/prod-eu", nil)
	r.Host = "127.0.0.1:8443"
	if w := do(api, r); w.Code != http.StatusOK {
		t.Errorf("on loopback: got %d %s, want 200", w.Code, w.Body)
	}
}
