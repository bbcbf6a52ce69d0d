package connlimit

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func TestKey(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2:ffff::": "2001:db8:1:2::", "2001:db8:1:3::1": "2001:db8:1:3::",
		"::1": "::", "fe80::1%eth0": "fe80::", "": "",
	} {
		if got := Key(addr(address)); got != addr(want) {
			t.Errorf("%q counts as %s, want %q", address, got, want)
		}
	}
}

func TestClient(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for name, tc := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"no header":                       {"203.0.113.7", nil, "203.0.113.7"},
		"a header without a proxy":        {"203.0.113.7", []string{"198.51.100.1"}, "203.0.113.7"},
		"a proxy":                         {"10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		"an IPv4-mapped proxy":            {"::ffff:10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		"a header that the client forged": {"10.0.0.1", []string{"10.9.9.9, 192.0.2.1, 198.51.100.1"}, "198.51.100.1"},
		"two proxies":                     {"10.0.0.1", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"two headers":                     {"10.0.0.1", []string{"192.0.2.1, 198.51.100.1", "10.0.0.2,10.0.0.3"}, "198.51.100.1"},
		"only proxies":                    {"10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"a proxy without a header":        {"10.0.0.1", nil, "10.0.0.1"},
		"an empty header":                 {"10.0.0.1", []string{""}, "10.0.0.1"},
		"an invalid header":               {"10.0.0.1", []string{"unknown"}, "10.0.0.1"},
		"an invalid entry behind a proxy": {"10.0.0.1", []string{"198.51.100.1, _hidden, 10.0.0.2"}, "10.0.0.2"},
		"with a port":                     {"10.0.0.1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		"IPv6":                            {"2001:db8::1", []string{"2001:db9::7"}, "2001:db9::7"},
		"IPv6 in brackets":                {"2001:db8::1", []string{"[2001:db9::7]"}, "2001:db9::7"},
		"IPv6 with a port":                {"2001:db8::1", []string{"[2001:db9::7]:443"}, "2001:db9::7"},
		"an IPv4-mapped client":           {"10.0.0.1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"a very long chain":               {"10.0.0.1", []string{"198.51.100.1" + strings.Repeat(", 10.0.0.2", 5000)}, "10.0.0.2"},
		"no remote address":               {"", []string{"198.51.100.1"}, ""},
	} {
		if got := ClientAddr(addr(tc.remote), tc.forwarded, trusted); got != addr(tc.want) {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// FuzzClient checks that a client cannot forge its address: the result is an address that a
// trusted proxy wrote.
func FuzzClient(f *testing.F) {
	for _, s := range []string{"", "10.0.0.1", ",,,", "[::1]:80, 10.0.0.1", "a\x00b", "::ffff:10.0.0.1%x"} {
		f.Add(s)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, wrote string) {
		for _, forwarded := range [][]string{{wrote + ", 203.0.113.7"}, {wrote, "203.0.113.7"}, {wrote, "203.0.113.7, 10.0.0.2"}} {
			if got := ClientAddr(addr("10.0.0.1"), forwarded, trusted); got != addr("203.0.113.7") {
				t.Errorf("%q: %s, want 203.0.113.7", forwarded, got)
			}
		}
		if got := ClientAddr(addr("203.0.113.7"), slices.Repeat([]string{wrote}, 3), trusted); got != addr("203.0.113.7") {
			t.Errorf("%q: %s without a proxy", wrote, got)
		}
	})
}

func TestRequestKey(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tc := range []struct{ remote, forwarded, want string }{
		{"198.51.100.1:1", "", "198.51.100.1"},
		{"198.51.100.1:1", "203.0.113.7", "198.51.100.1"},
		{"10.0.0.1:1", "203.0.113.7", "203.0.113.7"},
		{"10.0.0.1:1", "198.51.100.1, 203.0.113.7", "203.0.113.7"},
		{"10.0.0.1:1", "", "10.0.0.1"},
		{"[2001:db8:0:1::7]:1", "", "2001:db8:0:1::"},
		{"[fe80::1%eth0]:1", "", "fe80::"},
		{"@", "203.0.113.7", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tc.remote
		if tc.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tc.forwarded)
		}
		if got := RequestKey(r, trusted); got != addr(tc.want) {
			t.Errorf("%s for %q: %s, want %s", tc.remote, tc.forwarded, got, tc.want)
		}
	}
}
