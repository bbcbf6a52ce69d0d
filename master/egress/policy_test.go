package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestCheckByClass(t *testing.T) {
	for address, want := range map[string]string{ // a part of the error, empty if allowed
		"203.0.113.7": "", "10.0.0.1": "", "172.16.0.1": "", "192.168.0.1": "", "100.64.0.1": "", "2001:db8::7": "", "fd12::1": "",

		"127.0.0.1": "requires --dial-loopback", "127.8.8.8": "requires --dial-loopback", "::1": "requires --dial-loopback", "::ffff:127.0.0.1": "requires --dial-loopback",
		"0.0.0.0": "unspecified", "::": "unspecified", "0.1.2.3": "this network", "255.255.255.255": "broadcast",
		"224.0.0.1": "multicast", "239.1.1.1": "multicast", "ff02::1": "multicast", "ff05::2": "multicast",
		"169.254.0.1": "link-local", "169.254.169.254": "link-local", "169.254.170.2": "link-local", "fe80::1": "link-local", "fe80::1%eth0": "link-local",
		"::ffff:169.254.169.254": "link-local", "::ffff:0:0": "unspecified",
		"168.63.129.16": "metadata", "100.100.100.200": "metadata", "192.0.0.192": "metadata",
		"fd00:ec2::254": "metadata", "fd00:ec2::23": "metadata", "fd20:ce::254": "metadata", "fd00:c1::a9fe:a9fe": "metadata", "fd00:42::42": "metadata",
		"::ffff:168.63.129.16": "metadata",

		"64:ff9b::169.254.169.254":           "which embeds 169.254.169.254,",
		"64:ff9b::168.63.129.16":             "metadata",
		"64:ff9b::127.0.0.1":                 "requires --dial-loopback",
		"64:ff9b::203.0.113.7":               "",
		"64:ff9b:1::203.0.113.7":             "",
		"64:ff9b:1::a9fe:a9fe":               "link-local", // /96
		"64:ff9b:1:a9fe:a9:fe00::":           "link-local", // /48
		"64:ff9b:1:a9:fe:a9fe:0:0":           "link-local", // /56
		"64:ff9b:1:2:a9:fea9:fe00:0":         "link-local", // /64
		"2002:a9fe:a9fe::1":                  "link-local",
		"2002:643f:6464::1":                  "",
		"2002:6464:64c8::1":                  "metadata",
		"2002:7f00:1::":                      "requires --dial-loopback",
		"::169.254.169.254":                  "link-local",
		"::ffff:0:169.254.169.254":           "link-local",
		"2001:0:a9fe:a9fe::1":                "link-local",
		"2001:0:cb00:7107::5601:5601":        "link-local", // the client is inverted: a9fe:a9fe
		"2001:db8::5efe:169.254.169.254":     "link-local",
		"2001:db8::200:5efe:169.254.169.254": "link-local",
		"2001:db8::200:5efe:203.0.113.7":     "",
	} {
		a, err := netip.ParseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		check(t, &Policy{}, netip.AddrPortFrom(a, 443), want)
	}
}

func check(t *testing.T, p *Policy, target netip.AddrPort, want string) {
	t.Helper()
	err := p.Check(t.Context(), target)
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: got %v, want no error", target, err)
	case want != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: got %v, want ErrRefused: %s", target, err, want)
	}
}

func TestCheckAllowAndDeny(t *testing.T) {
	const deny, allow, hub = "--dial-deny", "--dial-allow", "--dial-hub-api"
	policy := &Policy{
		Loopback: true,
		Allow:    prefixes("10.0.0.0/8", "127.0.0.0/8", "192.0.2.0/24", "2001:db8::/32", "169.254.0.0/16", "64:ff9b::/96"),
		Deny:     prefixes("10.1.0.0/16", "2001:db8:1::/48", "198.51.100.7/32"),
		HubAPI: func(context.Context) ([]netip.AddrPort, error) {
			return []netip.AddrPort{netip.MustParseAddrPort("10.9.0.1:6443"), netip.MustParseAddrPort("[::ffff:127.0.0.1]:6443")}, nil
		},
	}
	for target, want := range map[string]string{
		"10.0.0.1:443": "", "10.1.0.1:443": deny, "[::ffff:10.1.0.1]:443": deny, "[64:ff9b::10.1.0.1]:443": deny, "[64:ff9b::10.2.0.1]:443": "",
		"192.0.2.1:443": "", "203.0.113.7:443": allow, "[2001:db8::1]:443": "", "[2001:db8:1::1]:443": deny,
		"127.0.0.1:7443": "", "127.0.0.1:6443": hub, "[::ffff:127.0.0.1]:6443": hub, "10.9.0.1:6443": hub, "10.9.0.1:443": "",
		"169.254.1.1:443": "link-local",
	} {
		check(t, policy, netip.MustParseAddrPort(target), want)
	}
	unknown := &Policy{HubAPI: func(context.Context) ([]netip.AddrPort, error) { return nil, errors.New("no such host") }}
	check(t, unknown, netip.MustParseAddrPort("10.0.0.1:443"), "is the hub's API server: no such host")
}

// TestControlRefusesResolvedAddresses dials names, as a name could resolve to an allowed address when
// it is checked and to another one when it is dialed (DNS rebinding).
func TestControlRefusesResolvedAddresses(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	listener.(*net.TCPListener).SetDeadline(time.Now().Add(time.Minute))
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	for _, host := range []string{"localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"} {
		dialer := &net.Dialer{ControlContext: (&Policy{}).Control, Timeout: time.Minute}
		conn, err := dialer.DialContext(t.Context(), "tcp", host+":"+port)
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %v, want ErrRefused", host, err)
		}
	}
	dialer := &net.Dialer{ControlContext: (&Policy{Loopback: true}).Control}
	conn, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatalf("with --dial-loopback: %v", err)
	}
	conn.Close()
}

func TestHubAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := NewHub("https://hub.example:6443", "https://10.96.0.1", "http://192.0.2.1/path", "kube.example", "[2001:db8::1]:6443", "198.51.100.7:8443")
		if err != nil {
			t.Fatal(err)
		}
		address, lookups := "203.0.113.7", 0
		h.lookup = func(_ context.Context, _, host string) ([]netip.Addr, error) {
			lookups++
			if address == "" {
				return nil, fmt.Errorf("no such host %s", host)
			}
			return []netip.Addr{netip.MustParseAddr(address)}, nil
		}
		want := func(want string, times int) {
			t.Helper()
			got, err := h.Addresses(t.Context())
			if err != nil || fmt.Sprint(got) != want || lookups != times {
				t.Errorf("got %v, error %v, %d lookups; want %s, %d lookups", got, err, lookups, want, times)
			}
		}
		fixed := "10.96.0.1:443 192.0.2.1:80 [2001:db8::1]:6443 198.51.100.7:8443"
		first := "[" + fixed + " 203.0.113.7:6443 203.0.113.7:443]"
		want(first, 2)
		want(first, 2)
		<-time.After(hubTTL)
		address = ""
		want(first, 3)
		address = "203.0.113.8"
		want("["+fixed+" 203.0.113.8:6443 203.0.113.8:443]", 5)
	})
	for _, invalid := range []string{"", "https://", "https://h:x", "https://h:70000"} {
		if _, err := NewHub(invalid); err == nil {
			t.Errorf("%q: got no error, want one", invalid)
		}
	}
}
