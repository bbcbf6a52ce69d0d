package state_test

import (
	"strings"
	"testing"

	"rollcall.dev/rollcall/api/state"
)

func TestCleanTextLeavesNothingThatCommandsATerminal(t *testing.T) {
	const mark = "\ufffd"
	for text, want := range map[string]string{
		"":                          "",
		"web-1 is not ready: 503":   "web-1 is not ready: 503",
		"zwei Zeilen\n\tmit ü 🙂":    "zwei Zeilen\n\tmit ü 🙂",
		"\x1b[31mred\x1b]0;title\a": mark + "[31mred" + mark + "]0;title" + mark,
		"c1 \u009b31m and \x7f":     "c1 " + mark + "31m and " + mark,
		"over\rwritten":             "over" + mark + "written",
		"nul\x00":                   "nul" + mark,
		"\u202etxt.exe\u202c":       mark + "txt.exe" + mark,
		"\u2066isolate\u2069":       mark + "isolate" + mark,
		"tag\U000e0041\U000e007f":   "tag" + mark + mark,
		"line\u2028end":             "line" + mark + "end",
		"\xff\xfe broken \xf0\x9f":  mark + " broken " + mark,
		"already " + mark:           "already " + mark,
	} {
		if got := state.CleanText(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got := state.CleanLine("a\nb\tc\x1b"); got != "a b c"+mark {
		t.Errorf("on one line: %q", got)
	}
}

func FuzzCleanText(f *testing.F) {
	f.Add("\x1b[31m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		clean := state.CleanText(s)
		if again := state.CleanText(clean); again != clean {
			t.Errorf("%q is cleaned to %q, and then to %q", s, clean, again)
		}
		if strings.ContainsAny(clean, "\x1b\a\r\x00\u009b\u202e") {
			t.Errorf("%q is cleaned to %q", s, clean)
		}
	})
}

func BenchmarkCleanText(b *testing.B) {
	const message = "back-off 5m0s restarting failed container=app pod=web-7d4b9c6f5-x2x8q_shop(3f1e6a52)"
	for b.Loop() {
		state.CleanText(message)
	}
}
