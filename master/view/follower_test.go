package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

func decodeEvents(t testing.TB, lines []byte) []httpv1.Event {
	t.Helper()
	var events []httpv1.Event
	for line := range bytes.Lines(lines) {
		var e httpv1.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("decode %s: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// follower is a client that applies the events it receives.
type follower struct {
	t       testing.TB
	log     *ChangeLog
	scope   Scope
	cursor  Cursor
	version string
	rows    map[string]map[string]any // by kind and identity
	summary string
	events  []string
}

func follow(t testing.TB, log *ChangeLog, s Scope) *follower {
	t.Helper()
	m, c := log.Current()
	f := &follower{t: t, log: log, scope: s, cursor: c, rows: map[string]map[string]any{}}
	lines, err := m.Initial(s, JSONLines)
	if err != nil {
		t.Fatal(err)
	}
	f.apply(lines)
	return f
}

// catchUp reads and applies all pending events.
func (f *follower) catchUp() {
	f.t.Helper()
	for {
		lines, next, _, err := f.log.Read(f.cursor, f.scope, JSONLines)
		if err != nil {
			f.t.Fatal(err)
		}
		if next == f.cursor {
			return
		}
		f.cursor = next
		f.apply(lines)
	}
}

func (f *follower) apply(lines []byte) {
	f.t.Helper()
	for _, e := range decodeEvents(f.t, lines) {
		f.version = e.ResourceVersion
		f.events = append(f.events, string(e.Type)+" "+string(e.Kind))
		switch e.Kind {
		case httpv1.KindSummary:
			f.summary = string(e.Object)
		case httpv1.KindSession, "":
		case httpv1.KindUsage:
			f.applyUsage(e.Object)
		default:
			f.applyRow(e)
		}
	}
}

func (f *follower) applyRow(e httpv1.Event) {
	f.t.Helper()
	var row map[string]any
	if err := json.Unmarshal(e.Object, &row); err != nil {
		f.t.Fatal(err)
	}
	id := identity(e.Kind, row)
	_, held := f.rows[id]
	if held != (e.Type != httpv1.Added) {
		f.t.Fatalf("got %s of %s, but the client has the object: %t", e.Type, id, held)
	}
	if e.Type == httpv1.Deleted {
		delete(f.rows, id)
		return
	}
	f.rows[id] = row
}

func (f *follower) applyUsage(object json.RawMessage) {
	var u struct{ Nodes, Containers map[string][2]float64 }
	if err := json.Unmarshal(object, &u); err != nil {
		f.t.Fatal(err)
	}
	for id, row := range f.rows {
		name, isNode := strings.CutPrefix(id, "Node ")
		used, known := u.Nodes[name]
		if name, ok := strings.CutPrefix(id, "Container "); ok {
			used, known = u.Containers[name]
		} else if !isNode {
			continue
		}
		delete(row, "used")
		if known {
			row["used"] = map[string]any{"cpuMillis": used[0], "memoryBytes": used[1]}
		}
	}
}

func identity(kind httpv1.Kind, row map[string]any) string {
	switch kind {
	case "Node":
		return "Node " + row["name"].(string)
	case "Pod":
		return fmt.Sprint("Pod ", row["namespace"], "/", row["name"])
	case "Container":
		return fmt.Sprint("Container ", row["namespace"], "/", row["pod"], "/", row["name"])
	}
	return fmt.Sprint("Port ", row["node"], row["address"], row["protocol"], row["port"], row["kind"], row["namespace"], row["service"], row["pod"])
}

// rowsOf returns the rows of a GET in the form of follower.rows.
func rowsOf(t testing.TB, r Report, s Scope) map[string]map[string]any {
	t.Helper()
	body, err := NewDocument(r, nil).Select(Query{Part: s.Part, Filter: s.Filter})
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(bytes.Join(body, nil), &doc); err != nil {
		t.Fatal(err)
	}
	rows := map[string]map[string]any{}
	for _, p := range s.Part.lists() {
		var list []map[string]any
		if err := json.Unmarshal(doc[p.String()], &list); err != nil {
			t.Fatal(err)
		}
		for _, row := range list {
			rows[identity(eventKinds[kinds[p]], row)] = row
		}
	}
	return rows
}

// comparableRows returns the rows without the fields that a usage mode does not send.
func comparableRows(rows map[string]map[string]any, mode UsageMode) map[string]map[string]any {
	all := map[string]map[string]any{}
	for id, row := range rows {
		row = maps.Clone(row)
		if used, ok := row["used"].(map[string]any); ok && mode == UsageEvents {
			used = maps.Clone(used)
			delete(used, "sampledAt")
			row["used"] = used
		}
		if mode == UsageNone {
			delete(row, "used")
		}
		all[id] = row
	}
	return all
}

// scopes returns watches of all parts, with all filters that match something in the generated
// cluster.
func scopes() []Scope {
	all := []Scope{
		{},
		{Part: Summary},
		{Part: Nodes},
		{Part: Pods},
		{Part: Containers},
		{Part: Ports},
		{Usage: UsageObjects},
		{Usage: UsageNone},
		{Part: Containers, Usage: UsageObjects},
		{Part: Nodes, Usage: UsageNone},
	}
	for _, f := range []Filter{
		{Namespace: "team-3"},
		{Node: "node-1"},
		{OwnerName: "app-7"},
		{OwnerName: "app-9", OwnerKind: "Deployment"},
		{State: "running"},
		{State: "ready"},
		{Kind: "nodeport"},
		{Kind: "main"},
		{Protocol: state.TCP},
		{Words: "app-1"},
		{Words: "oomkilled back-off"},
		{Port: 80},
		{Pod: "svc-1-0"},
	} {
		all = append(all, Scope{Filter: f}, Scope{Part: Ports, Filter: f}, Scope{Part: Containers, Filter: f, Usage: UsageObjects})
	}
	return all
}
