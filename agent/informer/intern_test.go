package informer

import (
	"fmt"
	"testing"
	"unsafe"
)

func TestEqualStringsShareMemory(t *testing.T) {
	shared := newInterner()
	a, b := shared.of(fmt.Sprint("node-", 1)), shared.of(fmt.Sprint("node-", 1))
	if unsafe.StringData(a) != unsafe.StringData(b) {
		t.Error("two equal strings do not share memory")
	}
}

func TestInternerIsBounded(t *testing.T) {
	shared := newInterner()
	for i := range 3 * maxInterned {
		if s := fmt.Sprint(i); shared.of(s) != s {
			t.Fatalf("%q became %q", s, shared.of(s))
		}
	}
	if len(shared.known) > maxInterned {
		t.Errorf("it holds %d strings, want at most %d", len(shared.known), maxInterned)
	}
}
