package facts

import "net/netip"

// hostAddress returns the address of a row in canonical form, so that equal addresses are equal strings. It returns a
// hostname unchanged, and "" for the unspecified address of either IP family. In a row, "" means all addresses.
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
