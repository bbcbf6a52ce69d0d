package rows

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Writer appends JSON field by field. Each field and element is written with a leading comma;
// closing the list replaces the first comma by the opening bracket.
type Writer []byte

// Begin returns the position of a new list of fields or elements, for Close.
func (w *Writer) Begin() int { return len(*w) }

// Close ends the list that Begin started, with brackets such as `{}`.
func (w *Writer) Close(opened int, brackets string) {
	if len(*w) == opened {
		*w = append(*w, brackets...)
		return
	}
	(*w)[opened] = brackets[0]
	*w = append(*w, brackets[1])
}

// Field starts a field; its value must follow.
func (w *Writer) Field(name string) {
	*w = append(append(append(*w, `,"`...), name...), `":`...)
}

// Element starts an element of a list.
func (w *Writer) Element() { *w = append(*w, ',') }

// Text writes a string field.
func (w *Writer) Text(name, s string) {
	w.Field(name)
	w.Quote(s)
}

// OptText writes a string field, and omits it if the string is empty.
func (w *Writer) OptText(name, s string) {
	if s != "" {
		w.Text(name, s)
	}
}

// Int writes a number field.
func (w *Writer) Int(name string, n int64) {
	w.Field(name)
	*w = strconv.AppendInt(*w, n, 10)
}

// Bool writes a bool field.
func (w *Writer) Bool(name string, is bool) {
	w.Field(name)
	*w = strconv.AppendBool(*w, is)
}

// OptInt writes a number field, and omits it if the number is zero.
func (w *Writer) OptInt(name string, n int64) {
	if n != 0 {
		w.Int(name, n)
	}
}

// OptBool writes a bool field, and omits it if it is false.
func (w *Writer) OptBool(name string, is bool) {
	if is {
		w.Bool(name, is)
	}
}

// Time writes a time field, and omits it if the time is zero.
func (w *Writer) Time(name string, at state.Time) {
	if at == 0 {
		return
	}
	w.Field(name)
	*w = append(at.Time().AppendFormat(append(*w, '"'), time.RFC3339), '"')
}

// strings writes a field with a list of strings, and omits it if the list is empty.
func (w *Writer) strings(name string, all []string) {
	if len(all) == 0 {
		return
	}
	w.Field(name)
	list := w.Begin()
	for _, s := range all {
		w.Element()
		w.Quote(s)
	}
	w.Close(list, "[]")
}

// resources writes a field with resources. Extended ones are sorted by name.
func (w *Writer) resources(name string, r *state.Resources) {
	w.Field(name)
	object := w.Begin()
	w.Int("cpuMillis", r.CPUMillis)
	w.Int("memoryBytes", r.MemoryBytes)
	w.Int("ephemeralStorageBytes", r.EphemeralStorageBytes)
	if r.Pods != 0 {
		w.Int("pods", r.Pods)
	}
	if len(r.Extended) > 0 {
		w.Field("extended")
		extended := w.Begin()
		for _, name := range slices.Sorted(maps.Keys(r.Extended)) {
			w.Element()
			w.Quote(name)
			*w = strconv.AppendInt(append(*w, ':'), r.Extended[name], 10)
		}
		w.Close(extended, "{}")
	}
	w.Close(object, "{}")
}

// Quote writes a string with its quotes. Strings that need escapes, or are not ASCII, are left to
// encoding/json.
func (w *Writer) Quote(s string) {
	for i := range len(s) {
		if !safeASCII[s[i]] {
			w.escape(s)
			return
		}
	}
	*w = append(append(append(*w, '"'), s...), '"')
}

// safeASCII marks the bytes that need no escape in JSON.
var safeASCII = func() (p [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

func (w *Writer) escape(s string) {
	var escaped bytes.Buffer
	encoder := json.NewEncoder(&escaped)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // encoding a string cannot fail
	*w = append(*w, bytes.TrimSuffix(escaped.Bytes(), []byte("\n"))...)
}
