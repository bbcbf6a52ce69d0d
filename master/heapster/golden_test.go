package heapster

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/golden"
)

var update = flag.Bool("update", false, "rewrite the golden file; clients of Heapster read these responses, so read the diff")

// TestResponsesEqualTheGoldenFile checks the response of each path, and of each metric of each kind of object, during a
// session in which an object was removed.
func TestResponsesEqualTheGoldenFile(t *testing.T) {
	m := newMember(t)
	m.read(3, reading(0, 5)...)
	m.read(18, reading(15, 7)...)
	m.apply(state.Delta{Removes: []state.Key{{Kind: state.KindContainer, Namespace: "shop", Name: "web-1", Sub: "proxy"}}})
	m.read(33, append(reading(30, 9)[:3], reading(30, 9)[4:]...)...)
	var text strings.Builder
	for _, p := range Paths {
		paths := []string{p.Pattern}
		if strings.Contains(p.Pattern, "{metric}") {
			paths = nil
			for i := range descriptors {
				paths = append(paths, strings.ReplaceAll(p.Pattern, "{metric}", descriptors[i].Name))
			}
		}
		for _, path := range paths {
			path = strings.NewReplacer("{node}", "n1", "{namespace}", "shop", "{pod}", "web-1", "{container}", "app", "{pods}", "web-1,web-2,none").Replace(path)
			body, warning := m.query(path, "")
			fmt.Fprintf(&text, "%s: %s %s\n", path, body, warning)
		}
	}
	golden.Check(t, "testdata/golden.txt", text.String(), *update)
}
