package facts

import "net/netip"

// hostAddress is the address of a port row in canonical form, so that one address
// written in two ways is one address; a hostname stays as it is. The unspecified
// addresses of both families are empty: all addresses.
func hostAddress(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.IsUnspecified() {
		return ""
	}
	if canonical := ip.String(); canonical != address {
		return canonical
	}
	return address
}
