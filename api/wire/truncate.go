package wire

import (
	"unicode/utf8"

	"rollcall.dev/rollcall/api/state"
)

// truncate returns s cut to at most limit bytes at a character boundary, without characters that
// could harm a terminal or a page (state.CleanText).
func truncate(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return state.CleanText(s)
}
