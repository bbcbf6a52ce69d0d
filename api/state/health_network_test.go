package state_test

import (
	"slices"
	"testing"

	"rollcall.dev/rollcall/api/state"
)

func TestConflictIsOneProblem(t *testing.T) {
	host := func(nodeName, podName string) *state.Port {
		return &state.Port{Node: nodeName, Protocol: state.TCP, Port: 80, Kind: state.HostNetwork, Namespace: "ingress", Pod: podName}
	}
	external := func(service, address string) *state.Port {
		return &state.Port{Node: "*", Address: address, Protocol: state.TCP, Port: 80, Kind: state.ExternalIP, Namespace: "shop", Service: service}
	}
	for name, c := range map[string]struct {
		objects []state.Object
		want    []row
	}{
		"host ports and a virtual address": {
			[]state.Object{host("n1", "a"), host("n2", "b"), host("n3", "c"), external("web", "203.0.113.9")},
			[]row{{state.SeverityInfo, "Port", "Conflict", "*:203.0.113.9:80/TCP", 4}},
		},
		"two Services on two addresses": {
			[]state.Object{external("a", "203.0.113.1"), external("b", "203.0.113.1"), external("a", "203.0.113.2"), external("b", "203.0.113.2")},
			[]row{{state.SeverityWarning, "Port", "Conflict", "*:203.0.113.1:80/TCP", 2}, {state.SeverityWarning, "Port", "Conflict", "*:203.0.113.2:80/TCP", 2}},
		},
		"two pods of one node": {[]state.Object{host("n1", "a"), host("n1", "b")}, []row{{state.SeverityWarning, "Port", "Conflict", "n1:80/TCP", 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := state.Summarize(cluster(t, c.objects...), now)
			var rows []row
			for _, p := range got.Problems {
				rows = append(rows, row{p.Severity, p.Kind, p.What, p.Where, p.Count})
			}
			if !slices.Equal(rows, c.want) || !got.Healthy {
				t.Errorf("healthy %v, %+v, want %+v", got.Healthy, rows, c.want)
			}
		})
	}
}
