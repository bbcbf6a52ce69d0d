package state

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CleanText returns s with each harmful character replaced by U+FFFD: control characters other
// than line feed and tab, since ESC and C1 characters control a terminal; characters that change
// the text direction, so that a text reads differently (CVE-2021-42574); invisible tags; and bytes
// that are not UTF-8. A clean text is returned without a copy.
func CleanText(s string) string {
	if isClean(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isHarmful(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// CleanLine returns CleanText of s with line feeds and tabs replaced by spaces.
func CleanLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, CleanText(s))
}

// isClean checks bytes first, as nearly all text is printable ASCII.
func isClean(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return !hasHarmful(s[i:])
		}
	}
	return true
}

func hasHarmful(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return true
			}
		}
		if isHarmful(r) {
			return true
		}
	}
	return false
}

func isHarmful(r rune) bool {
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

// TruncateText returns CleanText of s, cut to at most limit bytes at a character boundary.
func TruncateText(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return CleanText(s)
}
