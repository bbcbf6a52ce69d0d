package wire

import (
	"net/netip"
	"unicode/utf8"
)

// cut is s in at most limit bytes, at the boundary of a character, and in valid
// UTF-8, which protobuf insists on.
func cut(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return s
}

// addressToPB is 4 or 16 bytes for an IP in its canonical form, else the text
// behind one zero byte, or two where one would give 4 or 16 bytes.
func addressToPB(s string) []byte {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" && !ip.Is4In6() && ip.String() == s {
		return ip.AsSlice()
	}
	if s == "" {
		return nil
	}
	b := append(make([]byte, 1, len(s)+2), s...)
	if isIPLen(len(b)) {
		b = append([]byte{0}, b...)
	}
	return b
}

func addressFromPB(b []byte) string {
	if isIPLen(len(b)) {
		ip, _ := netip.AddrFromSlice(b)
		return ip.String()
	}
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return string(b)
}

func isIPLen(n int) bool { return n == 4 || n == 16 }
