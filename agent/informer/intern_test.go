package informer

import (
	"fmt"
	"testing"
	"unsafe"
)

func TestEqualStringsShareTheirBytes(t *testing.T) {
	shared := newInterner()
	a, b := shared.of(fmt.Sprint("node-", 1)), shared.of(fmt.Sprint("node-", 1))
	if unsafe.StringData(a) != unsafe.StringData(b) {
		t.Error("two equal strings have bytes of their own")
	}
}

func TestInternerDoesNotGrowWithNamesThatComeAndGo(t *testing.T) {
	shared := newInterner()
	for i := range 3 * maxInterned {
		if s := fmt.Sprint(i); shared.of(s) != s {
			t.Fatalf("%q became %q", s, shared.of(s))
		}
	}
	if len(shared.known) > maxInterned {
		t.Errorf("it remembers %d strings, want at most %d", len(shared.known), maxInterned)
	}
}
