package connlimit

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxForwarded is how many addresses of X-Forwarded-For are looked at: no chain of proxies
// is as long.
const maxForwarded = 32

// Key returns what an address counts as: an IPv4 address itself, also where it comes as
// IPv4-mapped, and of IPv6 the /64, which is what one host has at least.
func Key(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// Client returns the address of who sent a request that came from remote, by the values of
// X-Forwarded-For. Each proxy appends the address that it was called from, so the header
// is read from its end as long as trusted proxies wrote it; what stands before that is
// whatever the caller likes. What cannot be read ends the reading.
func Client(remote netip.Addr, forwarded []string, trusted []netip.Prefix) netip.Addr {
	client := remote.Unmap().WithZone("")
	if !contains(trusted, client) {
		return client
	}
	read := 0
	for i := len(forwarded) - 1; i >= 0; i-- {
		rest, more := forwarded[i], true
		for more {
			var last string
			rest, last, more = cutLast(rest)
			before, ok := forwardedAddr(last)
			if read++; !ok || read > maxForwarded {
				return client
			}
			client = before
			if !contains(trusted, client) {
				return client
			}
		}
	}
	return client
}

// RequestKey returns the Key of the address that a request came from, by X-Forwarded-For where
// a trusted proxy sent it; the zero Addr where there is none of IP.
func RequestKey(r *http.Request, trusted []netip.Prefix) netip.Addr {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return Key(Client(remote.Addr(), r.Header["X-Forwarded-For"], trusted))
}

// cutLast cuts a list at its last comma; more says that there was one.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// forwardedAddr reads an entry of X-Forwarded-For: an address, with a port or without.
func forwardedAddr(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		with, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = with.Addr()
	}
	return a.Unmap().WithZone(""), true
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addrOf returns the address of a connection's other end; the zero Addr where there is
// none of IP.
func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
