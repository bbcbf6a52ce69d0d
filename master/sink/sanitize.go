package sink

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"rollcall.dev/rollcall/master/samples"
)

// Bounds of a metric set's labels. Receivers refuse a whole request for one label that is
// longer or has a character that they do not store.
const (
	// maxName is the maximum length of the name of an object in Kubernetes, in bytes.
	maxName = 253
	// maxText is the maximum length of any other label, such as an image, in bytes.
	maxText = 1024
)

// sanitizeSet reports whether a metric set can be sent. It replaces the characters of its
// image and host that receivers refuse. It rejects a set whose object has a name that
// Kubernetes would not allow: with another name it could be taken for another object.
func sanitizeSet(s *samples.Set) bool {
	for _, name := range [...]string{s.Namespace, s.Pod, s.Container, s.Node} {
		if len(name) > maxName || sanitize(name) != name {
			return false
		}
	}
	s.Image, s.Host = sanitize(s.Image), sanitize(s.Host)
	return true
}

// sanitize returns the first maxText bytes of s, with U+FFFD in place of each control
// character, each sequence of bytes that is not UTF-8, and a backslash at the end (which
// InfluxDB's line protocol does not allow).
func sanitize(s string) string {
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

// isPlain reports whether sanitize has nothing to replace. Nearly all labels are printable
// ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return !strings.HasSuffix(s, `\`)
}
