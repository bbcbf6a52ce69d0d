package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
)

// cut returns the first so many characters of a text, which is what the schema counts:
// the API server refuses the whole of a status that is too large in one place. The text
// is cleaned: a control character in one object makes YAML of all of them unreadable.
func cut(text string, characters int) string {
	if len(text) <= characters {
		return state.CleanText(text)
	}
	count := 0
	for i := range text {
		if count == characters {
			return state.CleanText(text[:i])
		}
		count++
	}
	return state.CleanText(text)
}

// timeOf is an instant as it is stored, in whole seconds; nil where there is none, or
// one that no clock has shown.
func timeOf(t time.Time) *metav1.Time {
	if t.Before(time.Unix(0, 0)) || t.Year() > 9999 {
		return nil
	}
	return new(metav1.NewTime(t.UTC().Truncate(time.Second)))
}
