package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"rollcall.dev/rollcall/api/state"
)

// heard is an event as a client decodes it.
type heard struct {
	Cluster, Type, Kind, ResourceVersion string
	Object                               json.RawMessage
}

func hear(t testing.TB, lines []byte) []heard {
	t.Helper()
	var events []heard
	for line := range bytes.Lines(lines) {
		var e heard
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("decode %s: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// follower is a client that applies what it hears.
type follower struct {
	t       testing.TB
	log     *Log
	scope   Scope
	cursor  Cursor
	version string
	rows    map[string]map[string]any // by kind and identity
	summary string
	seen    []string
}

func follow(t testing.TB, log *Log, s Scope) *follower {
	t.Helper()
	m, c := log.Begin()
	f := &follower{t: t, log: log, scope: s, cursor: c, rows: map[string]map[string]any{}}
	lines, err := m.Initial(s, Lines)
	if err != nil {
		t.Fatal(err)
	}
	f.take(lines)
	return f
}

// catchUp reads all there is.
func (f *follower) catchUp() {
	f.t.Helper()
	for {
		lines, next, _, err := f.log.Read(f.cursor, f.scope, Lines)
		if err != nil {
			f.t.Fatal(err)
		}
		if next == f.cursor {
			return
		}
		f.cursor = next
		f.take(lines)
	}
}

func (f *follower) take(lines []byte) {
	f.t.Helper()
	for _, e := range hear(f.t, lines) {
		f.version = e.ResourceVersion
		f.seen = append(f.seen, e.Type+" "+e.Kind)
		switch e.Kind {
		case "Summary":
			f.summary = string(e.Object)
		case "Session", "":
		case "Usage":
			f.takeUsage(e.Object)
		default:
			f.takeRow(e)
		}
	}
}

func (f *follower) takeRow(e heard) {
	f.t.Helper()
	var row map[string]any
	if err := json.Unmarshal(e.Object, &row); err != nil {
		f.t.Fatal(err)
	}
	id := identity(e.Kind, row)
	_, held := f.rows[id]
	if held != (e.Type != added) {
		f.t.Fatalf("%s of %s, which the client has: %t", e.Type, id, held)
	}
	if e.Type == deleted {
		delete(f.rows, id)
		return
	}
	f.rows[id] = row
}

func (f *follower) takeUsage(object json.RawMessage) {
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

func identity(kind string, row map[string]any) string {
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

// shown are the rows of a GET, as the follower should have them.
func shown(t testing.TB, r Report, s Scope) map[string]map[string]any {
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

// plain drops what a usage mode does not tell.
func plain(rows map[string]map[string]any, mode UsageMode) map[string]map[string]any {
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

// scopes are watches of all parts, by all filters that a made-up cluster has a use for.
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
