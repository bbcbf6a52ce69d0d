package facts

import (
	"strings"
	"unicode/utf8"

	"rollcall.dev/rollcall/api/state"
)

// maxText is how many bytes of a reason or message are kept.
const maxText = 256

// text cuts what a component wrote, at a character's boundary, and cleans it: a
// container's termination message is whatever the container left in a file.
func text(s string) string {
	if len(s) > maxText {
		end := maxText
		for end > maxText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s = strings.Clone(s[:end]) // not the whole of a long message
	}
	return state.CleanText(s)
}
