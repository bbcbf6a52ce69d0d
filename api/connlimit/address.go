package connlimit

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxForwarded is the largest number of X-Forwarded-For addresses that are read.
const maxForwarded = 32

// Key returns the address under which connections are counted: an IPv4 address, also if it is
// IPv4-mapped, or the /64 of an IPv6 address, as a host has at least that.
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

// ClientAddr returns the client's address of a request from remote with the given X-Forwarded-For
// values. Each proxy appends the address of its client, so the values are read from the end while
// they were written by trusted proxies. Earlier values may be forged. An invalid value ends the
// reading.
func ClientAddr(remote netip.Addr, forwarded []string, trusted []netip.Prefix) netip.Addr {
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

// RequestKey returns the Key of a request's client, using X-Forwarded-For from trusted proxies. It
// returns the zero Addr if the connection has no IP address.
func RequestKey(r *http.Request, trusted []netip.Prefix) netip.Addr {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return Key(ClientAddr(remote.Addr(), r.Header["X-Forwarded-For"], trusted))
}

// cutLast splits a list at its last comma; more reports whether there was one.
func cutLast(list string) (rest, last string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// forwardedAddr parses an entry of X-Forwarded-For: an address with or without a port.
func forwardedAddr(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		addrPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = addrPort.Addr()
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

// addrOf returns the IP address of a, the zero Addr if it has none.
func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
