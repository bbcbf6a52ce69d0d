package state_test

import (
	"testing"

	"rollcall.dev/rollcall/api/state"
)

func TestAddSaturates(t *testing.T) {
	const five = int64(5) << 60
	r := state.Resources{MemoryBytes: five}
	r.Add(state.Resources{MemoryBytes: five, Extended: map[string]int64{"x": 1}})
	if r.MemoryBytes != 1<<63-1 {
		t.Errorf("5E + 5E is %d", r.MemoryBytes)
	}
}

func TestParseUID(t *testing.T) {
	const text = "c0fc0597-a5bf-4689-b344-bb1018ee6934"
	if u := state.ParseUID(text); u.String() != text {
		t.Errorf("%s became %s", text, u)
	}
	for _, none := range []string{"", "web-1", "C0FC0597-a5bf-4689-b344-bb1018ee6934", "c0fc0597-a5bf-4689-b344-bb1018ee69zz"} {
		if u := state.ParseUID(none); !u.IsZero() || u.String() != "" {
			t.Errorf("%q became %s", none, u)
		}
	}
}
