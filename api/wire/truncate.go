package wire

import (
	"unicode/utf8"

	"rollcall.dev/rollcall/api/state"
)

// cut returns s in at most limit bytes, at the boundary of a character, and cleaned: what
// one side writes another one shows.
func truncate(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return state.CleanText(s)
}
