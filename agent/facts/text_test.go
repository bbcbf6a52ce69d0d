package facts_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"rollcall.dev/rollcall/agent/facts"
)

func TestMessagesAreTruncatedAtCharacterBoundary(t *testing.T) {
	for _, message := range []string{
		strings.Repeat("a", 256),
		strings.Repeat("a", 300),
		strings.Repeat("a", 255) + "é",
		strings.Repeat("a", 253) + "🙂🙂",
		strings.Repeat("é", 300),
	} {
		got := facts.NewPod(&facts.PodInput{Message: message, Reason: "Evicted"}, nil, noon).Message
		if len(got) > 256 || len(got) < min(len(message), 253) || !strings.HasPrefix(message, got) || !utf8.ValidString(got) {
			t.Errorf("%q: got %q of %d bytes, want a prefix of 253 to 256 bytes", message, got, len(got))
		}
	}
}

func TestInvalidUTF8InMessagesIsReplaced(t *testing.T) {
	for _, message := range []string{"\xff\xfe", "ok\x80", strings.Repeat("\x80", 300), strings.Repeat("a", 255) + "\xf0\x9f"} {
		if got := facts.NewPod(&facts.PodInput{Message: message, Reason: "Evicted"}, nil, noon).Message; !utf8.ValidString(got) || got == "" || len(got) > 256 {
			t.Errorf("%q: got %q, want valid UTF-8 of at most 256 bytes", message, got)
		}
	}
}
