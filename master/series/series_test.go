package series

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall.dev/rollcall/api/state"
)

func TestCPUTimeIsTheIntegralOfTheRate(t *testing.T) {
	for name, c := range map[string]struct {
		first   CPUTime
		gap     time.Duration
		samples string // millicores@seconds, or stop
		want    string // total@seconds of the accepted samples
	}{
		"the rate of a sample counts since the previous one": {samples: "100@10 200@25 400@40", want: "0@10 3000@25 9000@40"},
		"a sample is added once":                             {samples: "100@10 100@10 100@9 200@25", want: "0@10 3000@25"},
		"a negative rate counts as none":                     {samples: "100@10 -5@25 100@40", want: "0@10 0@25 1500@40"},
		"without a limit, any gap counts":                    {samples: "100@10 100@1010", want: "0@10 100000@1010"},
		"after a longer gap it restarts":                     {gap: MaxGap, samples: "100@10 100@160 100@311 100@321", want: "0@10 15000@160 0@311 1000@321"},
		"after a stop it restarts":                           {samples: "100@10 100@20 stop 100@20 100@30 100@40", want: "0@10 1000@20 0@30 1000@40"},
		"samples from before the start are not added":        {first: StartAfter(20), samples: "100@10 100@20 100@30 100@40", want: "0@30 1000@40"},
	} {
		var got []string
		total := c.first
		for _, text := range strings.Fields(c.samples) {
			if text == "stop" {
				total.Stop()
				continue
			}
			var used state.Used
			var at int64
			if _, err := fmt.Sscanf(text, "%d@%d", &used.CPUMillis, &at); err != nil {
				t.Fatal(err)
			}
			used.SampledAt = state.Time(at)
			if total.Add(&used, at, c.gap) {
				got = append(got, fmt.Sprintf("%d@%d", total.Total(), total.Last()))
			}
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: got %s, want %s", name, text, c.want)
		}
	}
}

func TestSampleOfAClockThatIsAheadHasTheTimeOfReceipt(t *testing.T) {
	received := time.Unix(1000, 900_000_000)
	var total CPUTime
	for _, c := range []struct {
		sampled, received, want int64
		added                   bool
	}{{990, 1000, 990, true}, {1060, 1005, 1005, true}, {1060, 1010, 1010, false}, {1075, 1020, 1020, true}} {
		used := &state.Used{CPUMillis: 10, SampledAt: state.Time(c.sampled)}
		at := SampledAt(used, received.Add(time.Duration(c.received-1000)*time.Second))
		if added := total.Add(used, at, 0); at != c.want || added != c.added {
			t.Errorf("a sample of %d, received at %d: got time %d and added %t, want %d and %t", c.sampled, c.received, at, added, c.want, c.added)
		}
	}
	if got := total.Total(); got != 300 {
		t.Errorf("got a total of %d, want 300, for 30 s of receipt", got)
	}
}

// TestReconcilerFindsWhatGoesOn compares it with maps, over random sets of objects.
func TestReconcilerFindsWhatGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, now := randomObjects(t, "before"), randomObjects(t, "now")
		var ended, kept []Object
		r := Reconciler{Len: len(before), Object: func(i int) Object { return before[i] }, Ended: func(i int) { ended = append(ended, before[i]) }}
		for _, object := range now {
			i, ok := r.Find(object)
			if ok {
				kept = append(kept, before[i])
			}
			if want := slices.Contains(before, object); ok != want || ok && before[i] != object {
				t.Fatalf("%v: got %t, want %t", object, ok, want)
			}
		}
		r.Finish()
		if want := slices.DeleteFunc(slices.Clone(before), func(o Object) bool { return slices.Contains(now, o) }); !slices.Equal(ended, want) {
			t.Fatalf("ended: got %v, want %v", ended, want)
		}
		if len(kept)+len(ended) != len(before) {
			t.Fatalf("got %d kept and %d ended series, want %d in total", len(kept), len(ended), len(before))
		}
	})
}

// randomObjects returns nodes and containers in key order, without two containers that differ only in their node, and
// with names that are empty.
func randomObjects(t *rapid.T, label string) []Object {
	name := rapid.SampledFrom([]string{"", "a", "b"})
	var all []Object
	for range rapid.IntRange(0, 12).Draw(t, label) {
		o := Object{Kind: state.KindNode, Labels: Labels{Node: name.Draw(t, "node")}}
		if rapid.Bool().Draw(t, "container") {
			o = Object{Kind: state.KindContainer, Labels: Labels{name.Draw(t, "namespace"), name.Draw(t, "pod"), name.Draw(t, "container"), o.Node}}
		}
		all = append(all, o)
	}
	slices.SortStableFunc(all, Object.compareKey)
	return slices.CompactFunc(all, func(a, b Object) bool { return a.compareKey(b) == 0 })
}
