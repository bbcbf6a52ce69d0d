package controllers

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
)

// truncate returns text cut to a number of characters, the unit of the schema's limits: the API
// server rejects a whole status if one text is too long. It replaces control characters, which
// would make the YAML of the object unreadable.
func truncate(text string, characters int) string {
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

// timeOf returns a time in whole seconds, as the API server stores it, or nil if it is outside of
// the years 1970 to 9999.
func timeOf(t time.Time) *metav1.Time {
	if t.Before(time.Unix(0, 0)) || t.Year() > 9999 {
		return nil
	}
	return new(metav1.NewTime(t.UTC().Truncate(time.Second)))
}
