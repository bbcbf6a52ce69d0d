package facts

import (
	"strings"
	"unicode/utf8"

	"rollcall.dev/rollcall/api/state"
)

// maxTextBytes is the maximum length of a reason or message in bytes.
const maxTextBytes = 256

// truncateText truncates the text of a component to maxTextBytes at the boundary of a character, and replaces harmful
// characters (see state.CleanText). A termination message can be any bytes that a container wrote to a file.
func truncateText(s string) string {
	if len(s) > maxTextBytes {
		end := maxTextBytes
		for end > maxTextBytes-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s = strings.Clone(s[:end]) // does not keep the long message in memory
	}
	return state.CleanText(s)
}
