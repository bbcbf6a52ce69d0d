package columnar

import (
	"reflect"
	"slices"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// TestTimeBaseCoversEachTime fails if visitTimes misses a time. A time at the base
// would be read as no time.
func TestTimeBaseCoversEachTime(t *testing.T) {
	for kind := range state.NumKinds {
		o := statetest.Filled(kind, 1)
		var got []state.Time
		visitTimes(o, func(one state.Time) { got = append(got, one) })
		want := timesIn(reflect.ValueOf(o))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got times %v, want %v", kind, got, want)
		}
	}
}

// timesIn returns all times that a value contains.
func timesIn(v reflect.Value) (times []state.Time) {
	switch v.Kind() {
	case reflect.Int64:
		if v.Type() == reflect.TypeFor[state.Time]() {
			times = append(times, state.Time(v.Int()))
		}
	case reflect.Pointer:
		times = timesIn(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			times = append(times, timesIn(v.Index(i))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			times = append(times, timesIn(v.Field(i))...)
		}
	}
	return times
}
