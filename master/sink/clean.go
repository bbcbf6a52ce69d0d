package sink

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"rollcall.dev/rollcall/master/heapster"
)

// Bounds of a Set's labels. Receivers refuse a whole request for one label that is longer,
// or that has a character which they do not store.
const (
	// maxName is the longest name of an object in Kubernetes.
	maxName = 253
	// maxText is the longest label that is no name, such as an image.
	maxText = 1024
)

// clean reports whether a Set can be sent. It replaces the characters of its image and host
// that receivers refuse. A Set of an object whose name Kubernetes would not allow cannot be
// sent: with another name it would be mistaken for another object.
func clean(s *heapster.Set) bool {
	for _, name := range [...]string{s.Namespace, s.Pod, s.Container, s.Node} {
		if len(name) > maxName || cleaned(name) != name {
			return false
		}
	}
	s.Image, s.Host = cleaned(s.Image), cleaned(s.Host)
	return true
}

// cleaned returns s without control characters, bytes that are no UTF-8, a backslash at its
// end (InfluxDB's line protocol cannot have it there), and what is beyond maxText.
func cleaned(s string) string {
	if len(s) <= maxText && isPlain(s) {
		return s
	}
	if len(s) > maxText {
		end := maxText
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
	if text, ok := strings.CutSuffix(s, `\`); ok {
		s = text + string(utf8.RuneError)
	}
	return s
}

// isPlain reports whether there is nothing to replace. Nearly all labels are printable ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return !strings.HasSuffix(s, `\`)
}
