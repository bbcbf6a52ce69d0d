package wire

import "unicode/utf8"

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
