package view

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/report"
)

type params = map[string]string

func TestFiltersNarrowTheListsThatSupportThem(t *testing.T) {
	d := NewDocument(reportOf(shop(t)), nil)
	for _, tc := range []struct {
		part Part
		ask  params
		want string
	}{
		{Nodes, params{"node": "n2"}, "n2"},
		{Nodes, params{"state": "ready"}, "n1"},
		{Nodes, params{"state": "NotReady"}, "n2"},
		{Nodes, params{"state": "Unknown"}, ""},
		{Nodes, params{"q": "pleg HEALTHY"}, "n2"},
		{Nodes, params{"q": "pleg n1"}, ""},

		{Pods, params{"namespace": "shop"}, "web-1 web-2"},
		{Pods, params{"node": "n1"}, "exporter-a web-1"},
		{Pods, params{"pod": "web-1"}, "web-1"},
		{Pods, params{"owner": "web"}, "web-1 web-2"},
		{Pods, params{"owner": "Deployment/web"}, "web-1 web-2"},
		{Pods, params{"owner": "DaemonSet/web"}, ""},
		{Pods, params{"state": "PENDING"}, "web-2"},
		{Pods, params{"q": "Infra"}, "exporter-a"},
		{Pods, params{"namespace": "shop", "node": "n1"}, "web-1"},

		{Containers, params{"namespace": "infra"}, "exporter-a/exporter"},
		{Containers, params{"node": "n2"}, "web-2/app"},
		{Containers, params{"pod": "web-1"}, "web-1/app web-1/setup"},
		{Containers, params{"owner": "Deployment/web"}, "web-1/app web-1/setup web-2/app"},
		{Containers, params{"state": "waiting"}, "web-2/app"},
		{Containers, params{"kind": "SideCar"}, "exporter-a/exporter"},
		{Containers, params{"q": "oomkilled"}, "web-2/app"},
		{Containers, params{"q": "registry/shop crash"}, "web-2/app"},

		{Ports, params{"namespace": "infra"}, "n1:9100/HostPort n1:9100/HostNetwork"},
		{Ports, params{"node": "n2"}, "*:9100/NodePort *:30080/NodePort *:80/LoadBalancer n2:10250/Kubelet"},
		{Ports, params{"pod": "exporter-a"}, "n1:9100/HostPort n1:9100/HostNetwork"},
		{Ports, params{"pod": "web-2"}, "*:30080/NodePort *:80/LoadBalancer"},
		{Ports, params{"pod": "web-2", "node": "n1"}, "*:30080/NodePort"},
		{Ports, params{"owner": "web"}, "*:30080/NodePort *:80/LoadBalancer"},
		{Ports, params{"owner": "DaemonSet/exporter"}, "n1:9100/HostPort n1:9100/HostNetwork"},
		{Ports, params{"kind": "hostport"}, "n1:9100/HostPort"},
		{Ports, params{"port": "9100"}, "*:9100/NodePort n1:9100/HostPort n1:9100/HostNetwork"},
		{Ports, params{"protocol": "udp"}, "n1:9100/HostNetwork"},
		{Ports, params{"port": "9100", "protocol": "TCP", "node": "n2"}, "*:9100/NodePort"},
		{Ports, params{"q": "edge"}, "*:80/LoadBalancer"},
		{Ports, params{"q": "app http"}, "*:30080/NodePort *:80/LoadBalancer"},

		{Whole, params{"owner": "DaemonSet/exporter"}, "n1 n2 exporter-a exporter-a/exporter n1:9100/HostPort n1:9100/HostNetwork"},
		{Whole, params{"node": "n2", "state": "notready"}, "n2 *:9100/NodePort *:30080/NodePort *:80/LoadBalancer n2:10250/Kubelet"},
	} {
		if got := strings.Join(ask(t, d, tc.part, tc.ask).names(), " "); got != tc.want {
			t.Errorf("%s %v:\n got %s\nwant %s", tc.part, tc.ask, got, tc.want)
		}
	}
}

func TestPolicyLocalReachesOnlyTargetsOnTheNode(t *testing.T) {
	d := NewDocument(reportOf(shop(t)), nil)
	for _, tc := range []struct {
		node string
		want map[string]string
	}{
		{"n1", map[string]string{"web": "web-1 web-2", "edge": "web-1", "probe": ""}},
		{"n2", map[string]string{"web": "web-1 web-2", "edge": "web-2", "probe": ""}},
		{"n3", map[string]string{"web": "web-1 web-2", "edge": "", "probe": ""}},
	} {
		for _, row := range ask(t, d, Ports, params{"node": tc.node, "namespace": "shop"}).Ports {
			if row.Targets == nil {
				t.Errorf("from %s, %s: got null targets, want a list", tc.node, row.Service)
			}
			pods := []string{}
			for _, target := range row.Targets {
				pods = append(pods, target.Pod)
			}
			if got := strings.Join(pods, " "); got != tc.want[row.Service] {
				t.Errorf("from %s, %s: got targets %q, want %q", tc.node, row.Service, got, tc.want[row.Service])
			}
		}
	}
}

func TestEmptyPortQueryHasANoteAboutFreePorts(t *testing.T) {
	s := shop(t)
	blind := *s
	blind.Sections[state.SectionNetwork].Error = state.SectionError{Reason: "Forbidden", Message: "services is forbidden"}
	const may = " Host processes and undeclared ports of hostNetwork pods may still use it."
	for _, tc := range []struct {
		state *state.State
		ask   params
		want  string
	}{
		{s, params{"port": "31234"}, "port 31234 in cluster prod-eu: not allocated and not declared." + may},
		{s, params{"port": "30080", "protocol": "udp"}, "port 30080/UDP in cluster prod-eu: not allocated and not declared." + may},
		{s, params{"port": "10250", "node": "n1"}, "port 10250 on node n1: not allocated and not declared." + may},
		{s, params{"port": "31234", "node": "n9"}, "port 31234 on node n9: not allocated and not declared." + may + " This may be incomplete: node n9 does not exist."},
		{&blind, params{"port": "31234"}, "port 31234 in cluster prod-eu: not allocated and not declared." + may + " This may be incomplete: section network is not up to date (Forbidden: services is forbidden)."},
		{s, params{"port": "30080"}, ""},
		{s, params{"port": "31234", "namespace": "shop"}, ""},
		{s, params{"namespace": "nowhere"}, ""},
	} {
		if got := ask(t, NewDocument(reportOf(tc.state), nil), Ports, tc.ask).Note; got != tc.want {
			t.Errorf("%v:\n got %q\nwant %q", tc.ask, got, tc.want)
		}
	}
}

func TestPagesContainEveryRowOnce(t *testing.T) {
	d := NewDocument(reportOf(shop(t)), nil)
	for _, tc := range []struct {
		part Part
		ask  params
	}{{Nodes, nil}, {Pods, nil}, {Containers, nil}, {Ports, nil}, {Ports, params{"node": "n1"}}, {Pods, params{"owner": "web"}}} {
		whole := ask(t, d, tc.part, tc.ask).names()
		for limit := 1; limit <= len(whole)+1; limit++ {
			paged, pages := pagesOf(t, func() *Document { return d }, tc.part, tc.ask, limit)
			if !slices.Equal(paged, whole) {
				t.Errorf("%s %v by %d:\n got %v\nwant %v", tc.part, tc.ask, limit, paged, whole)
			}
			if want := (len(whole) + limit - 1) / limit; pages != want {
				t.Errorf("%s %v by %d: got %d pages, want %d", tc.part, tc.ask, limit, pages, want)
			}
		}
	}
}

// pagesOf reads all pages of a query and returns the names of their rows and the number of pages.
func pagesOf(t *testing.T, now func() *Document, part Part, filter params, limit int) (names []string, pages int) {
	t.Helper()
	query := params{"limit": fmt.Sprint(limit)}
	for name, value := range filter {
		query[name] = value
	}
	for {
		page := ask(t, now(), part, query)
		names = append(names, page.names()...)
		pages++
		if page.Continue == "" {
			return names, pages
		}
		query["continue"] = page.Continue
	}
}

func TestPagesShowTheCurrentStateWithTheFirstVersion(t *testing.T) {
	s := shop(t)
	first := ask(t, NewDocument(reportOf(s), nil), Pods, params{"limit": "1"})
	next, err := state.Apply(s, state.Delta{
		Epoch: s.Epoch, From: s.Seq, To: s.Seq + 2,
		Removes: []state.Key{{Kind: state.KindPod, Namespace: "infra", Name: "exporter-a"}, {Kind: state.KindPod, Namespace: "shop", Name: "web-1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	second := ask(t, NewDocument(reportOf(next), nil), Pods, params{"limit": "1", "continue": first.Continue})
	if got := second.names(); !slices.Equal(got, []string{"web-2"}) {
		t.Errorf("second page: got %v, want [web-2], because web-1 is deleted", got)
	}
	if second.ResourceVersion != first.ResourceVersion {
		t.Errorf("second page: got resourceVersion %s, want the first page's %s", second.ResourceVersion, first.ResourceVersion)
	}
}

func TestContinueTokenBelongsToItsQuery(t *testing.T) {
	r := reportOf(shop(t))
	token := ask(t, NewDocument(r, nil), Pods, params{"limit": "1", "namespace": "shop"}).Continue
	other := edited(r, func(r *report.Report) { r.Cluster = "prod-us" })
	for _, tc := range []struct {
		report Report
		ask    params
		want   string
	}{
		{r, params{"continue": token}, `parameter "continue": belongs to a query with other filters; repeat those filters, or start again without it`},
		{other, params{"continue": token, "namespace": "shop"}, `parameter "continue": belongs to cluster "prod-eu"; start again without it`},
	} {
		_, err := NewDocument(tc.report, nil).Select(queryOf(t, Pods, tc.ask))
		if bad := (*ParameterError)(nil); !errors.As(err, &bad) || err.Error() != tc.want {
			t.Errorf("%v: got %v, want %s", tc.ask, err, tc.want)
		}
	}
}

func TestFilteredRowsEqualUnfilteredRows(t *testing.T) {
	d := NewDocument(reportOf(shop(t)), nil)
	for _, part := range lists {
		shared, err := d.Body(part)
		if err != nil {
			t.Fatal(err)
		}
		picked, err := d.Select(Query{Part: part, Limit: MaxLimit})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.Join(shared, nil), bytes.Join(picked, nil)) {
			t.Errorf("%s:\n shared %s\n picked %s", part, bytes.Join(shared, nil), bytes.Join(picked, nil))
		}
	}
}

func TestFilterNotReadyIncludesUnknown(t *testing.T) {
	for wanted, want := range map[string][3]bool{"notready": {false, true, true}, "unknown": {false, false, true}, "ready": {true, false, false}, "": {true, true, true}} {
		for i, ready := range []state.Tristate{state.True, state.False, state.Unknown} {
			if got := (&Filter{State: wanted}).node(&state.Node{Name: "n", Ready: ready}); got != want[i] {
				t.Errorf("state=%s, node with Ready %s: got match %v, want %v", wanted, ready, got, want[i])
			}
		}
	}
}
