package columnar

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

var update = flag.Bool("update", false, "rewrite the golden files; allowed for new lines only, since other versions read the old ones")

// TestGoldenBytesOfEachKind compares the encoding of each field of each kind with a file. A line
// has the name of a field, then the bytes of a row with only this field set, or of a patch of this
// field. The lines "all" have rows with every field, so they become longer with each new field.
func TestGoldenBytesOfEachKind(t *testing.T) {
	for kind := range state.NumKinds {
		t.Run(kind.String(), func(t *testing.T) {
			var lines strings.Builder
			add := func(name string, pb proto.Message) {
				encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(pb)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&lines, "%s\t%s\n", name, hex.EncodeToString(encoded))
			}
			bare := statetest.Filled(kind, 1)
			fields := statetest.FieldsOutsideKey(kind)
			for _, field := range fields {
				statetest.Set(bare, field, statetest.NewObject(kind))
			}
			add("row", encodeRows(t, bare))
			add("row all", encodeRows(t, bare, statetest.Filled(kind, 1), statetest.Filled(kind, 2)))
			for _, field := range fields {
				for variant := 1; variant <= 2; variant++ {
					o := copyOf(bare)
					statetest.Set(o, field, statetest.Filled(kind, variant))
					add(fmt.Sprintf("row %s %d", field, variant), encodeRows(t, o))
					add(fmt.Sprintf("patch %s %d", field, variant), encodePatch(t, bare, o))
					add(fmt.Sprintf("patch %s %d back", field, variant), encodePatch(t, o, bare))
				}
			}
			compareGolden(t, filepath.Join("testdata", "golden", strings.ToLower(kind.String())+".txt"), lines.String())
		})
	}
}

func TestGoldenBytesOfKeys(t *testing.T) {
	var lines strings.Builder
	for kind := range state.NumKinds {
		w := newEncoder(9, slices.Values[[]state.Entry](nil))
		pb := w.addKeys([]state.Key{statetest.Filled(kind, 1).Key(), statetest.Filled(kind, 2).Key()})
		encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(pb)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s\t%s\n", kind, hex.EncodeToString(encoded))
	}
	compareGolden(t, filepath.Join("testdata", "golden", "keys.txt"), lines.String())
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(read), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var got, want string
		if i < len(gotLines) {
			got = gotLines[i]
		}
		if i < len(wantLines) {
			want = wantLines[i]
		}
		if got != want {
			t.Fatalf("%s, line %d\n got %s\nwant %s\nother versions of agents and masters read the old bytes; for a new field run with -update, and check that only its lines are new", file, i+1, got, want)
		}
	}
}

// encodeRows encodes objects with consecutive seqs and slots, and checks that they are decoded
// unchanged.
func encodeRows(t *testing.T, objects ...state.Object) *wirepb.Objects {
	t.Helper()
	var entries []state.Entry
	for i, o := range objects {
		entries = append(entries, state.Entry{Seq: uint64(i + 3), Object: o})
		if kind := o.Key().Kind; kind == state.KindNode || kind == state.KindContainer {
			entries[i].Slot = uint32(i + 1)
		}
	}
	w := newEncoder(9, slices.Values(entries))
	for _, e := range entries {
		w.add(e)
	}
	pb, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := NewDecoder(9).Decode(pb)
	if err != nil || !reflect.DeepEqual(decoded, entries) {
		t.Fatalf("decoded %+v, %v\nwant %+v", decoded, err, entries)
	}
	return pb
}

// encodePatch encodes a change as a patch or, for ports with a target, as a row, and checks that
// it is applied unchanged.
func encodePatch(t *testing.T, before, after state.Object) *wirepb.Delta {
	t.Helper()
	held, err := state.Apply(&state.State{}, state.Delta{To: 3, Upserts: []state.Entry{{Seq: 3, Object: before}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []state.Entry{{Seq: 4, Object: after}}
	pb, err := EncodeDelta(held, 3, 4, want, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := DecodeDelta(pb)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.AllUpserts(held); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("patched %+v, %v\nwant %+v", got, err, want)
	}
	return pb
}

func copyOf(o state.Object) state.Object {
	c := reflect.New(reflect.TypeOf(o).Elem())
	c.Elem().Set(reflect.ValueOf(o).Elem())
	return c.Interface().(state.Object)
}
