package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hubTTL is how long resolved addresses of the hub's API server are cached.
const hubTTL = 30 * time.Second

// Hub resolves the addresses of the hub's API server. It is safe for concurrent use.
type Hub struct {
	fixed []netip.AddrPort
	names []hostPort
	// lookup resolves a name.
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu sync.Mutex
	// The fields below are guarded by mu. resolved is valid until expires.
	resolved []netip.AddrPort
	expires  time.Time
}

type hostPort struct {
	host string
	port uint16
}

// NewHub returns a Hub for an API server that has the given URLs or host:port pairs, as in
// rest.Config.Host.
func NewHub(servers ...string) (*Hub, error) {
	h := &Hub{lookup: net.DefaultResolver.LookupNetIP}
	for _, server := range servers {
		host, port, err := split(server)
		if err != nil {
			return nil, err
		}
		if a, err := netip.ParseAddr(host); err == nil {
			h.fixed = append(h.fixed, netip.AddrPortFrom(a, port))
			continue
		}
		h.names = append(h.names, hostPort{host, port})
	}
	return h, nil
}

// split returns host and port of a URL, or of host[:port].
func split(server string) (host string, port uint16, err error) {
	rawURL := server
	if !strings.Contains(server, "://") {
		rawURL = "https://" + server
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", 0, fmt.Errorf("invalid address %q of the hub's API server: want a URL or host:port", server)
	}
	text := u.Port()
	switch {
	case text == "" && u.Scheme == "http":
		text = "80"
	case text == "":
		text = "443"
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || u.Hostname() == "" {
		return "", 0, fmt.Errorf("invalid address %q of the hub's API server: want a URL or host:port", server)
	}
	return u.Hostname(), uint16(number), nil
}

// Addresses returns the addresses of the hub's API server. They are cached for 30 s, and beyond that
// while names cannot be resolved.
func (h *Hub) Addresses(ctx context.Context) ([]netip.AddrPort, error) {
	if len(h.names) == 0 {
		return h.fixed, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().Before(h.expires) {
		return h.resolved, nil
	}
	addresses, err := h.resolve(ctx)
	switch {
	case err == nil:
		h.resolved, h.expires = addresses, time.Now().Add(hubTTL)
	case h.resolved == nil:
		return nil, err
	}
	return h.resolved, nil
}

// resolve returns the fixed addresses and those of all names.
func (h *Hub) resolve(ctx context.Context) ([]netip.AddrPort, error) {
	all := slices.Clone(h.fixed)
	for _, name := range h.names {
		addresses, err := h.lookup(ctx, "ip", name.host)
		if err != nil {
			return nil, fmt.Errorf("resolve the hub's API server: %w", err)
		}
		for _, a := range addresses {
			all = append(all, netip.AddrPortFrom(a, name.port))
		}
	}
	return all, nil
}
