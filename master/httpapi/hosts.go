package httpapi

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// Hosts is the set of accepted Host headers for a master without authentication. It protects
// against DNS rebinding: a page of attacker.example, whose name resolves to the master's address,
// would otherwise be of the same origin as the master for the browser. IP addresses need no list,
// because they cannot be rebound.
type Hosts struct {
	// Addresses accepts all IP addresses, instead of only loopback addresses.
	Addresses bool
	// Names are accepted in addition to localhost.
	Names []string
	// Hint tells a rejected client what to do, instead of the default, which names flags of the master.
	Hint string
}

// Accepts reports whether a request with the given Host header is accepted. The port is ignored.
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
	// IPv6 addresses, and only those, must have brackets.
	return name, name != "" && bracketed == strings.Contains(name, ":")
}

// misdirected rejects requests whose Host header is not accepted.
func (a *API) misdirected(_ http.ResponseWriter, r *http.Request) error {
	hint := cmp.Or(a.config.Hosts.Hint, "this master runs with --auth none: use localhost or its IP address, or add the host to --allowed-hosts")
	return &httpv1.Problem{
		Status: http.StatusMisdirectedRequest, Reason: httpv1.ReasonMisdirected,
		Detail: fmt.Sprintf("host %s is not accepted; %s", quoteShort(r.Host), hint),
	}
}
