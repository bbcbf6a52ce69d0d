package report

import (
	"runtime"
	"testing"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

func TestMastersAtTheSameBaseShareOneEncoding(t *testing.T) {
	e := newEncodings()
	world := statetest.New(1, 3, 50)
	first := world.State
	world.Step(5)
	world.Sample(1_800_000_000)
	v := &snapshot.Version{State: world.State}
	frames := map[string]func() ([][]byte, error){
		"snapshot": func() ([][]byte, error) { return e.snapshot(v.State) },
		"delta": func() ([][]byte, error) {
			f, ok, err := e.delta(v, first.Seq, first)
			if !ok {
				t.Error("there is no delta")
			}
			return f, err
		},
		"usage": func() ([][]byte, error) { return e.usage(v.State.Usage, nil) },
	}
	for name, get := range frames {
		a, err := get()
		if err != nil {
			t.Fatal(err)
		}
		b, err := get()
		if err != nil {
			t.Fatal(err)
		}
		// A collection in between makes it twice, which is rare and harmless.
		if runtime.KeepAlive(a); &a[0][0] != &b[0][0] {
			if c, err := get(); err != nil || &c[0][0] != &b[0][0] {
				t.Errorf("%s: encoded again and again for the same base, or %v", name, err)
			}
		}
	}
	other, _, err := e.delta(v, first.Seq+1, nil)
	if err != nil || len(other) == 0 {
		t.Fatalf("a delta from another base: %d frames, %v", len(other), err)
	}
	if same, _ := e.usage(v.State.Usage, &state.Usage{N: 7}); len(same) != 1 {
		t.Errorf("usage from another base: %d frames", len(same))
	}
}
