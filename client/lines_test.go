package client

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLinesOfAnyLengthAreRead(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for name, reader := range map[string]io.Reader{
		"whole":    strings.NewReader("a\n\n" + long + "\nb\n"),
		"by bytes": iotest.OneByteReader(strings.NewReader("a\n\n" + long + "\nb\n")),
	} {
		in := newLineReader(reader, 200<<10)
		for _, want := range []string{"a", "", long, "b"} {
			if got, err := in.next(); string(got) != want || err != nil {
				t.Fatalf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
			}
			in.shrink(1 << 10)
		}
		if _, err := in.next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: ends with %v", name, err)
		}
	}
}

func TestLongAndIncompleteLinesAreRejected(t *testing.T) {
	for text, want := range map[string]error{
		"a\n" + strings.Repeat("x", 100<<10):  ErrTooLarge,
		"a\n" + strings.Repeat("x", 20):       io.ErrUnexpectedEOF,
		"a\n" + strings.Repeat("x", 10) + "y": io.ErrUnexpectedEOF,
	} {
		in := newLineReader(strings.NewReader(text), 50<<10)
		if got, err := in.next(); string(got) != "a" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		if got, err := in.next(); !errors.Is(err, want) {
			t.Errorf("%d bytes, %v, want %v", len(got), err, want)
		}
	}
}
