package state_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

func TestJSONNamesAreTheContract(t *testing.T) {
	node := state.NodeView{
		Node:     &state.Node{Name: "n1", Ready: state.True, Schedulable: true, CreatedAt: 1_790_000_000, OSImage: "Debian"},
		NodeLoad: &state.NodeLoad{Node: "n1", Pods: 3},
		Used:     &state.Used{CPUMillis: 7, MemoryBytes: 1024, SampledAt: 1_790_000_060},
	}
	const zero = `{"cpuMillis":0,"memoryBytes":0,"ephemeralStorageBytes":0}`
	want := `{"name":"n1","ready":"True","schedulable":true,"osImage":"Debian","createdAt":"2026-09-21T14:13:20Z","capacity":` + zero + `,"allocatable":` + zero +
		`,"requested":` + zero + `,"limits":` + zero + `,"pods":3,"used":{"cpuMillis":7,"memoryBytes":1024,"sampledAt":"2026-09-21T14:14:20Z"}}`
	got, err := json.Marshal(node)
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

func TestEveryObjectSurvivesJSON(t *testing.T) {
	w := statetest.New(3, 20, 300)
	w.Sample(1_800_000_000)
	for e := range w.State.Entries(state.KindContainer) {
		v := state.NewContainerView(visible(e.Object.(*state.Container)), w.State.Usage.Of(e.Slot))
		survives(t, v, func(back *state.ContainerView) {
			if back.ExitCode != nil {
				back.Container.ExitCode = *back.ExitCode
			}
		})
	}
	for p := range w.State.Pods() {
		survives(t, state.PodView{Pod: visible(p)}, nil)
	}
	for n := range w.State.Nodes() {
		survives(t, state.NodeView{Node: visible(n), NodeLoad: visible(w.State.Load(n.Name))}, nil)
	}
}

// visible returns a copy of an object without the fields that JSON does not show.
func visible[T any](object *T) *T {
	c := *object
	hide(reflect.ValueOf(&c).Elem(), "ExitCode")
	return &c
}

func hide(v reflect.Value, but string) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		switch {
		case field.Tag.Get("json") == "-" && field.Name != but:
			v.Field(i).SetZero()
		case field.Type.Kind() == reflect.Struct:
			hide(v.Field(i), but)
		}
	}
}

// survives wants v to come back from JSON; mend puts back what is elsewhere in it.
func survives[T any](t *testing.T, v T, mend func(*T)) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if mend != nil {
		mend(&back)
	}
	if !reflect.DeepEqual(back, v) {
		t.Errorf("came back as another:\n%s", text)
	}
}

func TestExitCodeIsShownOfWhatTerminatedOnly(t *testing.T) {
	for c, want := range map[*state.Container]bool{
		{State: state.Terminated}:              true,
		{State: state.Terminated, ExitCode: 3}: true,
		{State: state.Running}:                 false,
	} {
		text, err := json.Marshal(state.NewContainerView(c, nil))
		if err != nil || bytes.Contains(text, []byte(`"exitCode"`)) != want {
			t.Errorf("%s with exit code %d: %s, %v", c.State, c.ExitCode, text, err)
		}
	}
}

func TestUnknownTextOfAnEnumIsItsZero(t *testing.T) {
	p := state.TCP
	s := state.SectionNodes
	if err := s.UnmarshalText([]byte("volumes")); err != nil || s != state.NumSections || s.String() != "unknown" {
		t.Errorf("a section volumes became %v, %v", s, err)
	}
	if err := p.UnmarshalText([]byte("QUIC")); err != nil || p != state.ProtocolUnknown {
		t.Errorf("QUIC became %v, %v", p, err)
	}
	if err := p.UnmarshalText([]byte("UDP")); err != nil || p != state.UDP {
		t.Errorf("UDP became %v, %v", p, err)
	}
}

func TestTimeOfNothingIsZero(t *testing.T) {
	if got := state.TimeOf(time.Time{}); got != 0 || !got.Time().IsZero() {
		t.Errorf("got %v, %v", got, got.Time())
	}
}
