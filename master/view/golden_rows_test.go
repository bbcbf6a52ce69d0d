package view

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

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
				written, _ := encodeBoth(row)
				got = append(append(got, written...), '\n')
			}
			path := filepath.Join("testdata", "rows", file)
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
