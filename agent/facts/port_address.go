package facts

import "net/netip"

// hostAddress returns the address of a port row in canonical form, so that equal addresses
// compare equal. A hostname is returned unchanged. The unspecified address of either family
// gives "": all addresses.
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
