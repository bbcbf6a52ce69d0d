package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ReasonMisdirected is the reason of a request for a host that this master does not answer
// for.
const ReasonMisdirected = "Misdirected"

// Hosts says for which hosts a master answers where nobody has to say who they are. There
// a browser would fetch everything for a page of attacker.example, once that name resolves
// to the master's address (DNS rebinding): to the browser it is the page's own host. No
// name can be made to rebind from an address, so addresses need no list.
type Hosts struct {
	// Addresses accepts every IP address, and not only loopback addresses.
	Addresses bool
	// Names are accepted besides localhost.
	Names []string
}

// Accepts reports whether a request with that Host is answered, whatever its port.
func (h Hosts) Accepts(host string) bool {
	name, ok := hostname(host)
	if !ok {
		return false
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Zone() == "" && (h.Addresses || a.IsLoopback())
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	for _, n := range h.Names {
		if strings.EqualFold(name, n) {
			return true
		}
	}
	return false
}

// hostname returns the host of a Host header, without port and brackets.
func hostname(host string) (name string, ok bool) {
	name = host
	bracketed := strings.HasPrefix(host, "[")
	if bracketed && strings.HasSuffix(host, "]") {
		name = host[1 : len(host)-1]
	} else if strings.Contains(host, ":") {
		var port string
		var err error
		if name, port, err = net.SplitHostPort(host); err != nil || strings.Trim(port, "0123456789") != "" {
			return "", false
		}
	}
	// Only addresses of IPv6 have brackets, and they have to.
	return name, name != "" && bracketed == strings.Contains(name, ":")
}

// misdirected refuses requests for hosts that are none of this master's.
func (a *API) misdirected(_ http.ResponseWriter, r *http.Request) error {
	return &Problem{
		Status: http.StatusMisdirectedRequest, Reason: ReasonMisdirected,
		Detail: fmt.Sprintf("this master runs with --auth none and does not answer for the host %s: ask for localhost or its IP address, or name the host by --allowed-hosts", shorten(r.Host)),
	}
}
