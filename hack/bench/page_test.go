package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func day(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }

func TestPageShowsEachRowWithItsVerdict(t *testing.T) {
	rows := []row{
		{ID: "stream.tick", What: "a tick", Goal: "≤ 120 bytes", Figure: "88 bytes", Verdict: reached, At: day(1)},
		{ID: "flip.wide", What: "a flip | wide", Goal: "≤ 400 bytes", Figure: "498 bytes", Verdict: notReached, At: day(1)},
		{ID: "flip.pod", What: "a flip", Goal: "≤ 400 bytes", Figure: "410 bytes", Verdict: notReached, At: day(1)},
		{ID: "stream.server", What: "the server", Figure: "2 %", At: day(2)},
		{ID: "idle", What: "no client", Figure: "scenario idle: broken", Verdict: failed, At: day(2)},
	}
	got := page(rows, "A machine", map[string]string{"flip.wide": "two flushes", "no.such": "gone"})
	for _, want := range []string{
		"Measured from 2026-11-01 to 2026-11-02. A machine.",
		"| a tick | ≤ 120 bytes | 88 bytes | yes |",
		"| a flip \\| wide | ≤ 400 bytes | 498 bytes | **no** |",
		"| the server |  | 2 % |  |",
		"| no client |  | scenario idle: broken | **not measured** |",
		"- **a flip | wide**: two flushes\n- **a flip**: the goal is not reached.\n",
		"up to 5 % CPU",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "gone") || strings.Contains(got, "%!") {
		t.Errorf("a remark without a row, or a broken format, in\n%s", got)
	}
}

func TestMergeKeepsRowsOfOtherScenarios(t *testing.T) {
	before := []row{{ID: "large.idle", Figure: "old"}, {ID: "stream.tick", Figure: "old"}, {ID: "stream.gone", Figure: "old"}, {ID: "flip", Figure: "old"}}
	now := []row{{ID: "stream.tick", Figure: "new"}}
	var got []string
	for _, r := range merge(before, now, []string{"stream"}) {
		got = append(got, r.ID+" "+r.Figure)
	}
	if want := "stream.tick new,flip old,large.idle old"; strings.Join(got, ",") != want {
		t.Errorf("got %q, want %q", strings.Join(got, ","), want)
	}
	if all := merge(before, now, nil); len(all) != 1 {
		t.Errorf("a run of all scenarios returns %v, want only its own row", all)
	}
}

func TestRowsAreReadAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bin", "rows.json")
	if rows, err := readRows(path); err != nil || rows != nil {
		t.Errorf("without a file: got %v, %v; want no rows", rows, err)
	}
	want := goalRow("a.b", "what", "≤ 1", true, "%d", 1)
	if err := writeRows(path, []row{want}); err != nil {
		t.Fatal(err)
	}
	rows, err := readRows(path)
	if err != nil || len(rows) != 1 || rows[0].ID != want.ID || rows[0].Verdict != reached || !rows[0].At.Equal(want.At) {
		t.Errorf("got %+v, %v; want %+v", rows, err, want)
	}
}

func TestCommandLine(t *testing.T) {
	for _, tc := range []struct {
		args, out string
		count     int
	}{
		{"", "docs/BENCHMARKS.md", len(scenarios)},
		{"-quick", "", len(scenarios)},
		{"-only flip,stream", "", 2},
		{"-only flip -keep", "docs/BENCHMARKS.md", 1},
		{"-quick -out x.md", "x.md", len(scenarios)},
	} {
		o, err := parse(strings.Fields(tc.args))
		list, _ := selectScenarios(o.only)
		if err != nil || o.out != tc.out || len(list) != tc.count {
			t.Errorf("%q: got file %q, %d scenarios, %v; want %q and %d", tc.args, o.out, len(list), err, tc.out, tc.count)
		}
	}
	for _, wrong := range []string{"-only nothing", "stream", "-fast"} {
		if _, err := parse(strings.Fields(wrong)); err == nil {
			t.Errorf("%q: got no error", wrong)
		}
	}
}

func TestRemarksNameExistingScenarios(t *testing.T) {
	for id := range remarks {
		if _, err := selectScenarios([]string{scenarioOf(row{ID: id})}); err != nil {
			t.Errorf("remark on %s: %v", id, err)
		}
	}
}
