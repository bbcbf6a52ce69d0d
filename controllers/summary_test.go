package controllers

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/v1alpha1"
)

// fill sets every field to a distinct non-zero value.
func fill(v reflect.Value, n *int64) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				fill(v.Field(i), n)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]int64{"nvidia.com/gpu": *n}))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Uint8: // a Severity
		v.SetUint(1)
	default:
		v.SetInt(*n)
	}
}

func TestSummaryRoundTrip(t *testing.T) {
	var summary state.Summary
	var n int64
	fill(reflect.ValueOf(&summary).Elem(), &n)
	back := summaryFrom(summaryOf(summary))
	if !reflect.DeepEqual(back, summary) {
		t.Errorf("got  %+v\nwant %+v", back, summary)
	}
}

// TestSummaryOfState checks that a ClusterStatus has the same JSON as the HTTP API.
func TestSummaryOfState(t *testing.T) {
	problems := 0
	for seed := range uint64(50) {
		w := statetest.New(seed, 1+int(seed%5), []int{1, 5, 20, 300}[seed%4])
		now := time.Unix(1_790_000_000, 0).Add(time.Duration(seed) * 6 * time.Hour)
		w.Sample(state.TimeOf(now))
		summary := state.Summarize(w.State, now, state.Ignore{Namespace: "team-3", Reason: "known"})
		stored := summaryOf(summary)
		if got, want := decodeJSON(t, stored), decodeJSON(t, summary); !reflect.DeepEqual(got, want) {
			t.Errorf("seed %d: the ClusterStatus has the JSON %v, the HTTP API %v", seed, got, want)
		}
		back := summaryFrom(stored)
		summary.NextEvaluation = time.Time{} // the API does not have it
		if !reflect.DeepEqual(back, summary) {
			t.Errorf("seed %d: got  %+v\nwant %+v", seed, back, summary)
		}
		problems += len(summary.Problems)
	}
	if problems == 0 {
		t.Error("no state has a problem")
	}
}

// decodeJSON returns the JSON of v, without the fields that only one of the two APIs omits if they are empty.
func decodeJSON(t *testing.T, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	if problems, _ := m["problems"].([]any); len(problems) == 0 {
		delete(m, "problems")
	}
	none := map[string]any{"critical": 0.0, "warning": 0.0, "info": 0.0}
	for _, name := range []string{"problemCounts", "more", "muted"} {
		if m[name] == 0.0 || reflect.DeepEqual(m[name], none) {
			delete(m, name)
		}
	}
	return m
}

// tooMuch returns a summary that exceeds every limit of the schema.
func tooMuch() *state.Summary {
	long := strings.Repeat("ü", 5000) + "\xff"
	extended := map[string]int64{}
	for i := range 2 * v1alpha1.MaxExtendedResources {
		extended[fmt.Sprintf("example.com/device-%03d", i)] = math.MaxInt64
	}
	much := state.Resources{CPUMillis: math.MaxInt64, Extended: extended}
	summary := &state.Summary{
		Capacity: much, Allocatable: much, Requested: much, Limits: much,
		Used:         &state.UsedSum{CPUMillis: math.MaxInt64, SampledAt: math.MaxInt64},
		ProblemCount: math.MaxInt64,
	}
	for _, since := range []state.Time{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		for range v1alpha1.MaxProblems {
			summary.Problems = append(summary.Problems, state.Problem{Kind: long, What: long, Where: long, Message: long, Since: since})
		}
	}
	return summary
}

func TestSummaryIsLimitedToSchema(t *testing.T) {
	summary := tooMuch()
	stored := summaryOf(*summary)
	if got := len(stored.Problems); got != v1alpha1.MaxProblems {
		t.Errorf("got %d problems, want %d", got, v1alpha1.MaxProblems)
	}
	for name, r := range map[string]v1alpha1.Resources{"capacity": stored.Capacity, "allocatable": stored.Allocatable, "requested": stored.Requested, "limits": stored.Limits} {
		if got := len(r.Extended); got != v1alpha1.MaxExtendedResources {
			t.Errorf("%s: got %d extended resources, want %d", name, got, v1alpha1.MaxExtendedResources)
		}
		if r.Extended["example.com/device-000"] == 0 || r.Extended["example.com/device-127"] != 0 {
			t.Errorf("%s: not the first by name are kept", name)
		}
	}
	p := stored.Problems[0]
	for _, c := range []struct {
		text string
		max  int
	}{{p.Kind, v1alpha1.MaxProblemKind}, {p.What, v1alpha1.MaxProblemWhat}, {p.Where, v1alpha1.MaxProblemWhere}, {p.Message, v1alpha1.MaxMessage}} {
		if c.text != strings.Repeat("ü", c.max) {
			t.Errorf("got %d characters of %.8q, want %d", len([]rune(c.text)), c.text, c.max)
		}
	}
	if p.Since != nil || stored.Used.SampledAt != nil {
		t.Errorf("got the times %v and %v, which the schema refuses", p.Since, stored.Used.SampledAt)
	}
	if got := len(summary.Problems[0].Kind); got < 5000 || summary.Used.SampledAt == 0 || len(summary.Capacity.Extended) != 128 {
		t.Error("what session published was changed")
	}
}

func TestTruncateAtCharacter(t *testing.T) {
	for _, c := range []struct {
		text string
		max  int
		want string
	}{
		{"", 3, ""},
		{"abc", 3, "abc"},
		{"abcd", 3, "abc"},
		{"üüü", 3, "üüü"},
		{"üüüü", 3, "üüü"},
		{"üü", 3, "üü"},
		{"a\xffb", 3, "a\ufffdb"},
		{"ab\xffcd", 3, "ab\ufffd"},
		{"abc", 0, ""},
	} {
		if got := truncate(c.text, c.max); got != c.want {
			t.Errorf("%q to %d: got %q, want %q", c.text, c.max, got, c.want)
		}
	}
}
