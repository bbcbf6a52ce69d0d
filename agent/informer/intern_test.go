package informer

import (
	"fmt"
	"testing"
	"unsafe"
)

func TestInternedStringsShareMemory(t *testing.T) {
	interner := newInterner()
	a, b := interner.intern(fmt.Sprint("node-", 1)), interner.intern(fmt.Sprint("node-", 1))
	if unsafe.StringData(a) != unsafe.StringData(b) {
		t.Error("equal strings do not share memory")
	}
}

func TestInternerIsLimited(t *testing.T) {
	interner := newInterner()
	for i := range 3 * maxInterned {
		if s := fmt.Sprint(i); interner.intern(s) != s {
			t.Fatalf("intern(%q) = %q, want the same string", s, interner.intern(s))
		}
	}
	if len(interner.strings) > maxInterned {
		t.Errorf("got %d strings, want at most %d", len(interner.strings), maxInterned)
	}
}
