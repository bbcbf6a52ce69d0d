package view

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// text is JSON as it is written, field by field. What encoding/json makes of a large
// cluster's rows by reflection takes ten times as long, and a first reader waits for it;
// that both write the same is what the tests are for. Each field and each element
// begins with a comma: the first of them becomes the bracket when its list is closed.
type text []byte

// open is where a list of fields or elements begins, for end.
func (t *text) open() int { return len(*t) }

// end closes what was opened, with brackets such as `{}`.
func (t *text) end(opened int, brackets string) {
	if len(*t) == opened {
		*t = append(*t, brackets...)
		return
	}
	(*t)[opened] = brackets[0]
	*t = append(*t, brackets[1])
}

// field begins a field; what follows is its value.
func (t *text) field(name string) {
	*t = append(append(append(*t, `,"`...), name...), `":`...)
}

// element begins an element.
func (t *text) element() { *t = append(*t, ',') }

// objects is a field with a list of objects, left out where there are none; write writes
// the fields of one.
func objects[T any](t *text, name string, all []T, write func(*T)) {
	if len(all) == 0 {
		return
	}
	t.field(name)
	list := t.open()
	for i := range all {
		t.element()
		object := t.open()
		write(&all[i])
		t.end(object, "{}")
	}
	t.end(list, "[]")
}

func (t *text) string(name, s string) {
	t.field(name)
	t.quote(s)
}

// given is a string that is left out where there is none, as omitempty has it. The
// other fields that may be left out say so themselves.
func (t *text) given(name, s string) {
	if s != "" {
		t.string(name, s)
	}
}

func (t *text) int(name string, n int64) {
	t.field(name)
	*t = strconv.AppendInt(*t, n, 10)
}

func (t *text) bool(name string, is bool) {
	t.field(name)
	*t = strconv.AppendBool(*t, is)
}

// flag is a bool that is left out where it is false.
func (t *text) flag(name string, is bool) {
	if is {
		t.bool(name, is)
	}
}

// time is left out where there is none.
func (t *text) time(name string, at state.Time) {
	if at == 0 {
		return
	}
	t.field(name)
	*t = append(at.Time().AppendFormat(append(*t, '"'), time.RFC3339), '"')
}

// strings are left out where there are none.
func (t *text) strings(name string, all []string) {
	if len(all) == 0 {
		return
	}
	t.field(name)
	list := t.open()
	for _, s := range all {
		t.element()
		t.quote(s)
	}
	t.end(list, "[]")
}

func (t *text) resources(name string, r *state.Resources) {
	t.field(name)
	object := t.open()
	t.int("cpuMillis", r.CPUMillis)
	t.int("memoryBytes", r.MemoryBytes)
	t.int("ephemeralStorageBytes", r.EphemeralStorageBytes)
	if r.Pods != 0 {
		t.int("pods", r.Pods)
	}
	if len(r.Extended) > 0 {
		t.field("extended")
		extended := t.open()
		for _, name := range slices.Sorted(maps.Keys(r.Extended)) {
			t.element()
			t.quote(name)
			*t = strconv.AppendInt(append(*t, ':'), r.Extended[name], 10)
		}
		t.end(extended, "{}")
	}
	t.end(object, "{}")
}

// quote writes a string with its quotes. One with anything in it that has to be
// escaped, or that is no ASCII, is left to encoding/json.
func (t *text) quote(s string) {
	for i := range len(s) {
		if !asIs[s[i]] {
			t.escape(s)
			return
		}
	}
	*t = append(append(append(*t, '"'), s...), '"')
}

// asIs are the bytes that JSON has as they are.
var asIs = func() (p [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

func (t *text) escape(s string) {
	var escaped bytes.Buffer
	// A string is always JSON.
	_ = appendJSON(&escaped, s)
	*t = append(*t, escaped.Bytes()...)
}
