package history

import (
	"fmt"
	"reflect"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// maxDifferences is the maximum number of differences that are reported.
const maxDifferences = 6

// Differences returns the differences in content between two States, a line each: objects,
// their usage, and the errors of sections. Epochs, seqs, slots and the times of sections
// are not content.
func Differences(got, want *state.State) (lines []string) {
	count := 0
	add := func(format string, args ...any) {
		if count++; count <= maxDifferences {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	state.EachChange(want, got, func(wanted, actual state.Object) {
		switch {
		case wanted == nil:
			add("%s is unexpected", keyText(actual.Key()))
		case actual == nil:
			add("%s is missing", keyText(wanted.Key()))
		default:
			add("%s: %s", keyText(actual.Key()), fieldsText(actual, wanted))
		}
	})
	if got.Usage != want.Usage {
		eachUsage(got, want, func(k state.Key, actual, wanted *state.Used) {
			add("usage of %s: %s, wanted %s", keyText(k), usedText(actual), usedText(wanted))
		})
	}
	for i := range want.Sections {
		if actual, wanted := got.Sections[i].Error, want.Sections[i].Error; actual != wanted {
			add("section %s has the error %+v, wanted %+v", state.SectionName(i), actual, wanted)
		}
	}
	if more := count - maxDifferences; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return lines
}

// eachUsage calls f for each object in both States whose usage differs.
func eachUsage(got, want *state.State, f func(k state.Key, actual, wanted *state.Used)) {
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for e := range want.Entries(kind) {
			k := e.Object.Key()
			entry, ok := got.Get(k)
			if !ok {
				continue
			}
			actual, wanted := got.Usage.Of(entry.Slot), want.Usage.Of(e.Slot)
			if (actual == nil) != (wanted == nil) || actual != nil && *actual != *wanted {
				f(k, actual, wanted)
			}
		}
	}
}

// usedText formats a usage value.
func usedText(u *state.Used) string {
	if u == nil {
		return "none"
	}
	return fmt.Sprintf("%+v", *u)
}

// keyText formats a key as its kind and all parts that are set.
func keyText(k state.Key) string {
	text := k.Kind.String()
	for _, part := range []string{k.Namespace, k.Name, k.Sub, k.Node, k.Address} {
		if part != "" {
			text += " " + part
		}
	}
	if k.Port != 0 {
		text += fmt.Sprintf(" %s %d", k.Protocol, k.Port)
	}
	return text
}

// fieldsText returns the fields of an object that differ, with both values.
func fieldsText(got, want state.Object) string {
	a, b := reflect.ValueOf(got).Elem(), reflect.ValueOf(want).Elem()
	var parts []string
	for i := range a.NumField() {
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			parts = append(parts, fmt.Sprintf("%s is %+v, wanted %+v", a.Type().Field(i).Name, x, y))
		}
	}
	return strings.Join(parts, "; ")
}
