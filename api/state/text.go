package state

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanText returns s with each character replaced by U+FFFD that harms a program that shows or
// stores it: control characters (but for line feed and tab), of which ESC and those of C1
// command a terminal; characters that change the direction of what follows, so that a
// text reads as another one (CVE-2021-42574); invisible tags; and bytes that are no
// UTF-8. Nearly all text is left as it is, without a copy.
func CleanText(s string) string {
	if isClean(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if harmful(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// CleanLine returns CleanText of s on one line.
func CleanLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, CleanText(s))
}

// isClean looks at bytes first: nearly all text is printable ASCII.
func isClean(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return !hasHarm(s[i:])
		}
	}
	return true
}

func hasHarm(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return true
			}
		}
		if harmful(r) {
			return true
		}
	}
	return false
}

func harmful(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case unicode.IsControl(r): // C0, DEL and C1
		return true
	case r == '\u061c', r == '\u200e', r == '\u200f', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return true
	case r == '\u2028', r == '\u2029': // line ends to some, not to others
		return true
	case r >= 0xe0000 && r <= 0xe007f: // tags
		return true
	}
	return false
}
