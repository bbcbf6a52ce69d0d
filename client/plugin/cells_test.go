package plugin

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestNodeStatusMatchesKubectl(t *testing.T) {
	for want, n := range map[string]state.Node{
		"Ready":                       {Ready: state.True, Schedulable: true},
		"NotReady,SchedulingDisabled": {Ready: state.False, Conditions: []state.NodeCondition{{Type: "Ready", Status: state.False}}},
		"NotReady,MemoryPressure":     {Schedulable: true, Conditions: []state.NodeCondition{{Type: "MemoryPressure", Status: state.True}}},
		"Ready,DiskPressure,NetworkingReady=False": {Ready: state.True, Schedulable: true, Conditions: []state.NodeCondition{
			{Type: "DiskPressure", Status: state.True}, {Type: "KernelReady", Status: state.True}, {Type: "NetworkingReady", Status: state.False}, {Type: "PIDPressure", Status: state.False},
		}},
	} {
		if got := nodeStatus(&state.NodeView{Node: &n}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestNodePercentagesAreRoundedDown(t *testing.T) {
	n := state.NodeView{
		Node:     &state.Node{Allocatable: state.Resources{CPUMillis: 1000, MemoryBytes: 1000}},
		NodeLoad: &state.NodeLoad{Requested: state.Resources{CPUMillis: 999, MemoryBytes: 10}},
		Used:     &state.Used{CPUMillis: 509, MemoryBytes: 1},
	}
	if got := nodeDisplay(&n); got.CPURequested != "99%" || got.MemoryRequested != "1%" || got.CPUUsed != "50%" || got.MemoryUsed != "0%" {
		t.Errorf("got %+v", got)
	}
}

func TestContainerStateHasReasonAndExitCode(t *testing.T) {
	code3, code0 := int32(3), int32(0)
	for want, c := range map[string]state.ContainerView{
		"running":           {Container: &state.Container{State: state.Running}},
		"CrashLoopBackOff":  {Container: &state.Container{State: state.Waiting, Reason: "CrashLoopBackOff"}},
		"Completed":         {Container: &state.Container{State: state.Terminated, Reason: "Completed"}, ExitCode: &code0},
		"Error:3":           {Container: &state.Container{State: state.Terminated, Reason: "Error"}, ExitCode: &code3},
		"terminated:3":      {Container: &state.Container{State: state.Terminated}, ExitCode: &code3},
		"ContainerCreating": {Container: &state.Container{State: state.Waiting, Reason: "ContainerCreating"}},
	} {
		if got := containerState(&c); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPortTargets(t *testing.T) {
	p := state.PortView{Port: &state.Port{}, Targets: []*state.Target{
		{Pod: "web-1", ContainerPort: 8080, Node: "n1", Ready: true},
		{Addresses: []string{"192.0.2.1", "192.0.2.2"}, ContainerPort: 80},
		{Pod: "web-2", Ready: true},
	}}
	if got, want := joinFirst(targets(&p), 2), "pod/web-1:8080@n1,192.0.2.1:80(not ready) + 1 more..."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := readyTargets(&p); got != "2/3" {
		t.Errorf("ready targets are %s, want 2/3", got)
	}
}

func TestPortUser(t *testing.T) {
	for want, p := range map[string]state.Port{
		"service/web:http": {Service: "web", ServicePort: &state.ServicePort{Name: "http"}},
		"service/web":      {Service: "web", ServicePort: &state.ServicePort{Port: 80}},
		"pod/web-1":        {Pod: "web-1"},
		"kubelet":          {Kind: state.Kubelet},
	} {
		if got := portUser(&state.PortView{Port: &p}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestProblemsWithEqualNamesAreCompared(t *testing.T) {
	first, second := state.Problem{Kind: "Port", What: "Conflict", Where: "n1:80/TCP", Message: "a"}, state.Problem{Kind: "Port", What: "Conflict", Where: "n1:80/TCP", Message: "b"}
	node := state.Problem{Kind: "Node", What: "NotReady", Where: "n1"}
	var calls []string
	onRows := func(eventType client.EventType, _ bool, rows ...*state.Problem) {
		calls = append(calls, string(eventType)+" "+rows[0].Kind+rows[0].Message)
	}
	compareProblems([]state.Problem{first, second}, []state.Problem{first, second}, onRows)
	if calls != nil {
		t.Errorf("without a change: %q, want no calls", calls)
	}
	compareProblems([]state.Problem{first, second}, []state.Problem{node, first}, onRows)
	if want := []string{"ADDED Node", "DELETED Portb"}; !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
}

func TestWatchAlignsColumns(t *testing.T) {
	var out bytes.Buffer
	p := &plugin{Config: Config{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}}, now: func() time.Time { return now }}
	cmd := &cobra.Command{}
	o := newOutput(cmd)
	if err := cmd.Flags().Parse([]string{"-w"}); err != nil {
		t.Fatal(err)
	}
	printer, err := newPrinter(p, problemKind, o, hiddenColumns{cluster: true})
	if err != nil {
		t.Fatal(err)
	}
	long := state.Problem{Kind: "Node", What: "NotReady", Where: strings.Repeat("n", 40), Since: state.TimeOf(now.Add(-time.Hour)), Message: "m"}
	short := state.Problem{Kind: "Node", What: "NotReady", Where: "n", Since: long.Since, Message: "m"}
	for _, row := range []*state.Problem{&long, &short} {
		if err := printer.printEvent(client.Added, item[state.Problem]{"a", row}); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 4 || strings.Index(lines[1], "60m") != strings.Index(lines[2], "60m") || strings.Index(lines[0], "SINCE") != strings.Index(lines[2], "60m") {
		t.Errorf("got\n%s", out.String())
	}
}

func TestWatchWarnsThatSortByIsIgnored(t *testing.T) {
	var out bytes.Buffer
	p := &plugin{Config: Config{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}}, now: time.Now}
	cmd := &cobra.Command{}
	o := newOutput(cmd)
	if err := cmd.Flags().Parse([]string{"-w", "--sort-by", ".status.what"}); err != nil {
		t.Fatal(err)
	}
	if _, err := newPrinter(p, problemKind, o, hiddenColumns{}); err != nil || !strings.Contains(out.String(), "--sort-by will be ignored") {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestHealthOfUnreachableClusterIsUnknown(t *testing.T) {
	good, bad := &state.Summary{Healthy: true}, &state.Summary{}
	for name, c := range map[string]struct {
		cluster client.Cluster
		want    string
	}{
		"without a report":         {client.Cluster{}, "Unknown"},
		"reporting, healthy":       {client.Cluster{Summary: good, Session: client.Session{Phase: "Reporting"}}, "True"},
		"reporting, unhealthy":     {client.Cluster{Summary: bad, Session: client.Session{Phase: "Reporting"}}, "False"},
		"idle, healthy":            {client.Cluster{Summary: good, Stale: true, Session: client.Session{Phase: "Idle", Reason: "Succeeded"}}, "True"},
		"clock skew":               {client.Cluster{Summary: good, Stale: true, Session: client.Session{Phase: "Idle", Reason: "ClockSkew"}}, "True"},
		"idle, unreachable":        {client.Cluster{Summary: good, Stale: true, Session: client.Session{Phase: "Idle", Reason: "DialFailed"}}, "Unknown"},
		"backing off":              {client.Cluster{Summary: bad, Stale: true, Session: client.Session{Phase: "Backoff", Reason: "DialFailed"}}, "Unknown"},
		"backing off, still fresh": {client.Cluster{Summary: good, Session: client.Session{Phase: "Backoff", Reason: "DialFailed"}}, "True"},
		"suspended after reports":  {client.Cluster{Summary: good, Stale: true, Suspended: true, Session: client.Session{Phase: "Idle"}}, "Unknown"},
	} {
		if got := healthy(&c.cluster); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
