package rows

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

var update = flag.Bool("update", false, "rewrite the golden files; clients read these rows, so only new fields may differ")

// encodeBoth returns a row as a Writer writes it and as encoding/json encodes it.
func encodeBoth(t *testing.T, row any) (got, declared []byte) {
	t.Helper()
	switch row := row.(type) {
	case *state.NodeView:
		got = Node(nil, row)
	case *state.PodView:
		got = Pod(nil, row)
	case *state.ContainerView:
		*row = state.NewContainerView(row.Container, row.Used)
		got = Container(nil, row)
	case *state.PortView:
		if row.Targets == nil {
			row.Targets = []*state.Target{}
		}
		got = Port(nil, row)
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(row); err != nil {
		t.Fatal(err)
	}
	return got, bytes.TrimSuffix(want.Bytes(), []byte("\n"))
}

// TestEachFieldOfARowIsWritten sets one field at a time, so that it fails if a field is added to a
// row without generating the code.
func TestEachFieldOfARowIsWritten(t *testing.T) {
	for _, row := range []any{
		&state.NodeView{Node: &state.Node{}, NodeLoad: &state.NodeLoad{}},
		&state.NodeView{Node: &state.Node{}},
		&state.PodView{Pod: &state.Pod{}},
		&state.ContainerView{Container: &state.Container{}},
		&state.PortView{Port: &state.Port{}},
	} {
		compare := func(field string) {
			if got, want := encodeBoth(t, row); !bytes.Equal(got, want) || !json.Valid(got) {
				t.Errorf("%T with field %s\n got %s\nwant %s", row, field, got, want)
			}
		}
		compare("no field")
		eachField(reflect.ValueOf(row).Elem(), "", compare)
	}
}

// eachField sets each field below v, one at a time, calls check, and resets the field. Nested
// fields are set in turn.
func eachField(v reflect.Value, path string, check func(field string)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			eachField(v.Field(i), path+"."+v.Type().Field(i).Name, check)
		}
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
			defer v.SetZero()
			check(path)
		}
		eachField(v.Elem(), path, check)
	case reflect.Array:
		v.Index(v.Len() - 1).SetUint(7)
		defer v.SetZero()
		check(path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		defer v.SetZero()
		if e := v.Type().Elem(); e.Kind() == reflect.Pointer {
			v.Index(0).Set(reflect.New(e.Elem()))
			v.Index(1).Set(reflect.New(e.Elem()))
		}
		check(path)
		eachField(v.Index(1), path+"[1]", check)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]int64{"b": 1, "a<\"": 2, "c": 0}))
		defer v.SetZero()
		check(path)
	case reflect.String:
		for _, s := range []string{"x", `"<&>\` + "\n\u2028é\xff\x7f\x00"} {
			v.SetString(s)
			check(path)
		}
		v.SetString("")
	case reflect.Bool:
		v.SetBool(true)
		defer v.SetZero()
		check(path)
	case reflect.Uint8, reflect.Uint16:
		for n := range uint64(8) {
			if setKnown(v, n) {
				check(path)
			}
		}
		v.SetUint(0)
	case reflect.Int32, reflect.Int64:
		for _, n := range []int64{-1, 7, 1_790_000_000} {
			v.SetInt(n)
			check(path)
		}
		v.SetInt(0)
	}
}

// setKnown sets v to a number. It returns false if v is an enum that has no such value.
func setKnown(v reflect.Value, n uint64) bool {
	v.SetUint(0)
	zero, isEnum := v.Interface().(fmt.Stringer)
	v.SetUint(n)
	return !isEnum || n == 0 || v.Interface().(fmt.Stringer).String() != zero.String()
}

// TestGoldenBytesOfEachRow compares a row without any field, and rows with every field, with a
// file per kind.
func TestGoldenBytesOfEachRow(t *testing.T) {
	for file, rows := range map[string][3]any{
		"node.jsonl":      {&state.NodeView{Node: &state.Node{}, NodeLoad: &state.NodeLoad{}}, &state.NodeView{}, &state.NodeView{}},
		"pod.jsonl":       {&state.PodView{Pod: &state.Pod{}}, &state.PodView{}, &state.PodView{}},
		"container.jsonl": {&state.ContainerView{Container: &state.Container{}}, &state.ContainerView{}, &state.ContainerView{}},
		"port.jsonl":      {&state.PortView{Port: &state.Port{}}, &state.PortView{}, &state.PortView{}},
	} {
		t.Run(file, func(t *testing.T) {
			var got []byte
			for variant, row := range rows {
				if variant > 0 {
					statetest.Fill(row, variant)
				}
				written, _ := encodeBoth(t, row)
				got = append(append(got, written...), '\n')
			}
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got %s\nwant %s\nclients read these rows: only new fields may differ; then run with -update", got, want)
			}
		})
	}
}
