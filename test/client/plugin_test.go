package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client/plugin"
	"rollcall.dev/rollcall/master/httpapi"
)

// spaces matches the space between columns.
var spaces = regexp.MustCompile(` {2,}`)

// rows returns the lines of a table, with | between columns.
func rows(table string) []string {
	var all []string
	for line := range strings.Lines(table) {
		all = append(all, strings.TrimSuffix(spaces.ReplaceAllString(strings.TrimRight(line, "\n "), "|"), "|"))
	}
	return all
}

const (
	suspended = "skipping suspended cluster lab"
	lost      = "Error from server (DialFailed): lost: cannot reach the agent of cluster lost: connection refused; for details run `kubectl describe clusteragent lost`"
	caveat    = ": not allocated and not declared. Host processes and undeclared ports of hostNetwork pods may still use it."
)

func TestTables(t *testing.T) {
	m := newShop(t, nil)
	for _, tc := range []struct {
		args   string
		code   int
		out    []string
		errOut []string
	}{
		{"nodes prod-eu", 0, []string{
			"NAME|STATUS|ROLES|PODS|CPU-REQ|MEM-REQ|CPU|MEM|AGE|VERSION",
			"n1|Ready|control-plane|3/110|25%|12%|<unknown>|<unknown>|3d1h|v1.36.3",
		}, nil},
		{"nodes", 1, []string{
			"CLUSTER|NAME|STATUS|ROLES|PODS|CPU-REQ|MEM-REQ|CPU|MEM|AGE|VERSION",
			"prod-eu|n1|Ready|control-plane|3/110|25%|12%|<unknown>|<unknown>|3d1h|v1.36.3",
			"prod-us|n1|Ready|control-plane|0/110|0%|0%|<unknown>|<unknown>|3d1h|v1.36.3",
		}, []string{suspended, lost}},
		{"nodes prod-us prod-eu --no-headers --node n1 -o custom-columns=:.cluster,:.status.requested.cpuMillis", 0, []string{"prod-us|0", "prod-eu|1000"}, nil},
		{"pods prod-eu", 0, []string{
			"NAMESPACE|NAME|READY|STATUS|RESTARTS|OWNER|NODE|AGE",
			"kube-system|dns|1/1|Running|0|Pod/dns|n1|3d1h",
			"shop|web-1|1/2|CrashLoopBackOff|5 (11m ago)|Deployment/web|n1|3d1h",
		}, nil},
		{"pods 203.0.113.7 -n shop -o wide", 0, []string{
			"NAME|READY|STATUS|RESTARTS|OWNER|NODE|AGE|IP|CPU-REQ|MEM-REQ|QOS|PRIORITY-CLASS|CLAIMS",
			"web-1|1/2|CrashLoopBackOff|5 (11m ago)|Deployment/web|n1|3d1h|10.0.0.7|<none>|<none>|<none>|<none>|<none>",
		}, nil},
		{"pods prod-eu prod-us --sort-by .metadata.name -o name", 0, []string{"pod.rollcall.dev/dns", "pod.rollcall.dev/dns", "pod.rollcall.dev/web-1"}, nil},
		{"containers prod-eu --owner Deployment/web -q oom -o wide", 0, []string{
			"NAMESPACE|POD|NAME|KIND|STATE|READY|RESTARTS|CPU|MEM|NODE|AGE|LAST|CPU-REQ|CPU-LIM|MEM-REQ|MEM-LIM|IMAGE",
			"shop|web-1|log|sidecar|CrashLoopBackOff|false|5 (11m ago)|<unknown>|<unknown>|n1|<none>|OOMKilled:137|<none>|<none>|<none>|<none>|log:2",
		}, nil},
		{"containers prod-eu --sort-by .status.restarts --no-headers --kind sidecar --state waiting --pod web-1", 0, []string{
			"shop|web-1|log|sidecar|CrashLoopBackOff|false|5 (11m ago)|<unknown>|<unknown>|n1|<none>",
		}, nil},
		{"problems prod-eu", 0, []string{
			"SEVERITY|KIND|WHAT|WHERE|COUNT|SINCE|MESSAGE",
			"critical|Container|CrashLoopBackOff|shop/web-1/log|1|11m|last exit: OOMKilled (137)",
		}, nil},
		{"problems prod-us", 0, nil, []string{"No problems found."}},
		{"ports prod-eu", 0, []string{
			"PORT|KIND|NODE|ADDRESS|NAMESPACE|USED-BY|READY|TARGETS",
			"31234/TCP|NodePort|*|*|shop|service/web:http|1/1|pod/web-1:8080@n1",
			"9100/TCP|HostPort|n1|*|shop|pod/web-1|1/1|pod/web-1:9100@n1",
		}, nil},
		{"ports prod-us -n shop --port 1", 0, nil, []string{"No ports found."}},
	} {
		r := m.kubectl(t, strings.Fields(tc.args)...)
		if r.code != tc.code || !slices.Equal(rows(r.out), tc.out) || !slices.Equal(rows(r.errOut), tc.errOut) {
			t.Errorf("%s: got exit code %d\n%s\n--- %s\nwant %d\n%s\n--- %s", tc.args, r.code, strings.Join(rows(r.out), "\n"), r.errOut, tc.code, strings.Join(tc.out, "\n"), strings.Join(tc.errOut, "\n"))
		}
	}
}

func TestPortOwner(t *testing.T) {
	m := newShop(t, nil)
	owned := []string{"PORT|KIND|NODE|ADDRESS|NAMESPACE|USED-BY|READY|TARGETS", "31234/TCP|NodePort|*|*|shop|service/web:http|1/1|pod/web-1:8080@n1"}
	for _, tc := range []struct {
		args string
		code int
		out  []string
	}{
		{"ports prod-eu --port 31234", 0, owned},
		{"ports prod-eu --port 31235 --protocol tcp", 0, []string{"31235/TCP is free on prod-eu" + caveat}},
		{"ports prod-eu --port 9100 --node n1 --protocol UDP", 0, []string{"9100/UDP is free on n1 of prod-eu" + caveat}},
		{"ports --port 31234 --protocol TCP", 1, []string{"CLUSTER|" + owned[0], "prod-eu|" + owned[1], "31234/TCP is free on prod-us" + caveat}},
	} {
		if r := m.kubectl(t, strings.Fields(tc.args)...); r.code != tc.code || !slices.Equal(rows(r.out), tc.out) {
			t.Errorf("%s: got exit code %d\n%s\nwant %d\n%s", tc.args, r.code, strings.Join(rows(r.out), "\n"), tc.code, strings.Join(tc.out, "\n"))
		}
	}
	r := m.kubectl(t, "ports", "prod-us", "--port", "31234", "-o", "json")
	var list struct{ Items []any }
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || list.Items == nil || len(list.Items) > 0 || r.errOut != "31234 is free on prod-us"+caveat+"\n" {
		t.Errorf("got JSON %s and stderr %s, %v; want an empty list and the message on stderr", r.out, r.errOut, err)
	}
}

func TestStatusOfAllAndOfOne(t *testing.T) {
	m := newShop(t, nil)
	all := rows(m.kubectl(t, "status").out)
	if len(all) != 5 || all[1] != "lab|Suspended|<none>|<none>|<none>|<none>|<unknown>|<unknown>|Unknown|<none>|<none>" || !strings.HasPrefix(all[3], "prod-eu|Reporting|1/1|1/2|25%|12%|<unknown>|<unknown>|False|1|") {
		t.Errorf("all: got\n%s", strings.Join(all, "\n"))
	}
	wide := m.kubectl(t, "status", "prod-eu", "-o", "wide")
	if wide.errOut != "Master version: v1.2.3\n" {
		t.Errorf("got stderr %q, want the version of the master", wide.errOut)
	}
	one := rows(wide.out)
	if len(one) != 2 || !strings.HasPrefix(one[1], "prod-eu|Reporting|1/1|") || !strings.Contains(one[1], "|v1.36.3|v0.1.0|") {
		t.Errorf("one: got\n%s", strings.Join(one, "\n"))
	}
	var object struct {
		APIVersion, Kind, Cluster string
		Status                    struct{ Summary state.Summary }
	}
	if err := json.Unmarshal([]byte(m.kubectl(t, "status", "prod-eu", "-o", "json").out), &object); err != nil || object.Kind != "Cluster" || object.Cluster != "prod-eu" || object.Status.Summary.ProblemCount != 1 {
		t.Errorf("as JSON: got %+v, %v", object, err)
	}
}

func TestNumbersStayWholeInYAML(t *testing.T) {
	out := newShop(t, nil).kubectl(t, "nodes", "prod-eu", "-o", "yaml").out
	for _, want := range []string{"kind: List", "apiVersion: rollcall.dev/v1", "cluster: prod-eu", "memoryBytes: 8589934592", "\n  status:"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestErrorsHaveKubectlsFormat(t *testing.T) {
	m := newShop(t, nil)
	for args, want := range map[string]string{
		"pods none":                   `Error from server (NotFound): cluster "none" not found by name or cluster IP, or you are not allowed to see it`,
		"status lost":                 "Error from server (DialFailed): cannot reach the agent of cluster lost",
		"pods prod-eu --state asleep": `Error from server (BadRequest): parameter "state": must be one of`,
		"pods --state asleep":         suspended + "\n" + `Error from server (BadRequest): parameter "state": must be one of`,
		"pods prod-eu -w --owner /":   `Error from server (BadRequest): parameter "owner"`,
		"ports --protocol icmp":       `error: invalid --protocol "icmp", want one of TCP, UDP, SCTP`,
		"ports --port 70000":          `error: invalid argument "70000" for "--port"`,
		"pods prod-eu -o moon":        `error: unable to match a printer suitable for the output format "moon"`,
		"moons":                       `error: unknown command "moons"`,
	} {
		if r := m.kubectl(t, strings.Fields(args)...); r.code != 1 || !strings.HasPrefix(r.errOut, want) || r.out != "" {
			t.Errorf("%s: got %d, %q; want 1, %q", args, r.code, r.errOut, want)
		}
	}
	closed := newShop(t, func(c *httpapi.Config) { c.Authenticate = unauthenticated })
	if r := closed.kubectl(t, "pods", "prod-eu", "prod-us"); r.code != 1 || strings.Count(r.errOut, "Error") != 1 || !strings.Contains(r.errOut, "(Unauthorized)") || !strings.Contains(r.errOut, "check the credentials of your kubeconfig, or set --token") {
		t.Errorf("unauthenticated: got %d, %q; want one error that names the remedy", r.code, r.errOut)
	}
}

func TestCompletion(t *testing.T) {
	m := newShop(t, nil)
	for args, want := range map[string]string{
		"pods|prod":            "prod-eu\nprod-us\n:4\n",
		"pods|prod-eu|":        "lab\nlost\nprod-us\n:4\n",
		"status|":              "lab\nlost\nprod-eu\nprod-us\n:4\n",
		"ports|--protocol|T":   "TCP\n:4\n",
		"containers|--state|w": "waiting\n:4\n",
		"ports|--kind|Host":    "HostPort\nHostNetwork\n:4\n",
		"nodes|-o|custom":      "custom-columns\ncustom-columns-file\n:4\n",
	} {
		if r := m.kubectl(t, append([]string{"__complete"}, strings.Split(args, "|")...)...); r.out != want {
			t.Errorf("%s: got %q, want %q", args, r.out, want)
		}
	}
	m.server.Close()
	if r := m.kubectl(t, "__complete", "pods", ""); r.code != 0 || r.out != ":4\n" {
		t.Errorf("without a master: got %d, %q; want 0 and no completion", r.code, r.out)
	}
}

// startWatch runs a command with -w against the master of the test.
func (m *masterAPI) startWatch(t *testing.T, args ...string) (lines func(n int) []string, stop func() int) {
	t.Helper()
	return startWatch(t, m.getenv, args...)
}

// startWatch runs a command with -w. lines returns the rows printed since its last call, at least n. stop interrupts
// the command and returns its exit code.
func startWatch(t *testing.T, getenv func(string) string, args ...string) (lines func(n int) []string, stop func() int) {
	t.Helper()
	var errOut bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- plugin.Run(ctx, plugin.Config{IOStreams: genericiooptions.IOStreams{Out: writer, ErrOut: &errOut}, Getenv: getenv}, append(args, "-w"))
		_ = writer.Close()
	}()
	var printed []byte
	lines = func(n int) []string {
		buf := make([]byte, 4096)
		for bytes.Count(printed, []byte("\n")) < n {
			got, err := reader.Read(buf)
			printed = append(printed, buf[:got]...)
			if err != nil {
				break
			}
		}
		all := rows(string(printed))
		printed = nil
		return all
	}
	stop = func() int {
		cancel()
		_, _ = io.Copy(io.Discard, reader)
		code := <-ended
		if strings.Contains(errOut.String(), "signal") || strings.Contains(errOut.String(), "context") {
			t.Errorf("interrupted: got stderr %q, want no mention of the signal", errOut.String())
		}
		return code
	}
	return lines, stop
}

func TestWatchPrintsTheListAndThenChanges(t *testing.T) {
	m := newShop(t, nil)
	lines, stop := m.startWatch(t, "pods", "prod-eu", "--output-watch-events")
	want := []string{
		"EVENT|NAMESPACE|NAME|READY|STATUS|RESTARTS|OWNER|NODE|AGE",
		"ADDED|kube-system|dns|1/1|Running|0|Pod/dns|n1|3d1h",
		"ADDED|shop|web-1|1/2|CrashLoopBackOff|5 (11m ago)|Deployment/web|n1|3d1h",
	}
	if got := lines(3); !slices.Equal(got, want) {
		t.Errorf("first: got %q, want %q", got, want)
	}
	web := *shopObjects()[3].(*state.Pod)
	web.Phase, web.Status = state.PodFailed, "Error"
	m.change(t, "prod-eu", []state.Key{{Kind: state.KindPod, Namespace: "kube-system", Name: "dns"}}, &web)
	got := lines(2)
	slices.Sort(got)
	if want := []string{"DELETED|kube-system|dns|1/1|Running|0|Pod/dns|n1|3d1h", "MODIFIED|shop|web-1|1/2|Error|5 (11m ago)|Deployment/web|n1|3d1h"}; !slices.Equal(got, want) {
		t.Errorf("then: got %q, want %q", got, want)
	}
	if code := stop(); code != 130 {
		t.Errorf("Ctrl-C: got exit code %d, want 130", code)
	}
}

func TestWatchOfProblemsShowsNewAndSolvedOnes(t *testing.T) {
	m := newShop(t, nil)
	lines, stop := m.startWatch(t, "problems", "prod-us", "--output-watch-events")
	node := *shopObjects()[0].(*state.Node)
	node.Ready = state.False
	m.change(t, "prod-us", nil, &node)
	if got := lines(2); len(got) != 2 || !strings.HasPrefix(got[1], "ADDED|critical|Node|NotReady|n1|") {
		t.Errorf("got %q, want NotReady added", got)
	}
	node.Ready = state.True
	m.change(t, "prod-us", nil, &node)
	if got := lines(1); len(got) != 1 || !strings.HasPrefix(got[0], "DELETED|critical|Node|NotReady|n1|") {
		t.Errorf("got %q, want NotReady deleted", got)
	}
	stop()
}

func TestWatchOfPortsAcrossClusters(t *testing.T) {
	m := newShop(t, nil)
	lines, stop := m.startWatch(t, "ports", "prod-eu", "prod-us", "--port", "31234")
	got := lines(3)
	slices.Sort(got)
	want := []string{"31234 is free on prod-us" + caveat, "CLUSTER|PORT|KIND|NODE|ADDRESS|NAMESPACE|USED-BY|READY|TARGETS", "prod-eu|31234/TCP|NodePort|*|*|shop|service/web:http|1/1|pod/web-1:8080@n1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	m.change(t, "prod-us", nil, &state.Port{Node: "*", Protocol: state.TCP, Port: 31234, Kind: state.NodePort, Namespace: "x", Service: "y"})
	if got := lines(1); !slices.Equal(got, []string{"prod-us|31234/TCP|NodePort|*|*|x|service/y|<none>|<none>"}) {
		t.Errorf("got %q, want the port of prod-us", got)
	}
	stop()
}

func TestWatchOfAllFollowsTheListOfClusters(t *testing.T) {
	m := newShop(t, nil)
	m.register("prod-us")
	lines, stop := m.startWatch(t, "nodes", "--output-watch-events", "-o", "custom-columns=EVENT:.type,CLUSTER:.object.cluster,NAME:.object.metadata.name")
	if got, want := lines(2), []string{"EVENT|CLUSTER|NAME", "ADDED|prod-us|n1"}; !slices.Equal(got, want) {
		t.Errorf("first: got %q, want %q", got, want)
	}
	m.register("prod-us", "prod-eu")
	if got, want := lines(1), []string{"ADDED|prod-eu|n1"}; !slices.Equal(got, want) {
		t.Errorf("after a cluster was added: got %q, want %q", got, want)
	}
	m.report(t, "prod-ap", shopObjects()[:1]...)
	m.register("prod-eu", "prod-ap")
	if got, want := lines(1), []string{"ADDED|prod-ap|n1"}; !slices.Equal(got, want) {
		t.Errorf("after one was removed and one added: got %q, want %q", got, want)
	}
	m.register("prod-us", "prod-eu")
	if got, want := lines(1), []string{"ADDED|prod-us|n1"}; !slices.Equal(got, want) {
		t.Errorf("after a cluster was added again: got %q, want %q", got, want)
	}
	if code := stop(); code != 130 {
		t.Errorf("Ctrl-C: got exit code %d, want 130", code)
	}
}

func TestWatchOfStatus(t *testing.T) {
	m := newShop(t, nil)
	lines, stop := m.startWatch(t, "status", "prod-us", "-o", "name")
	if got := lines(1); !slices.Equal(got, []string{"cluster.rollcall.dev/prod-us"}) {
		t.Errorf("got %q, want cluster prod-us", got)
	}
	m.change(t, "prod-us", []state.Key{{Kind: state.KindNode, Name: "n1"}})
	if got := lines(1); !slices.Equal(got, []string{"cluster.rollcall.dev/prod-us"}) {
		t.Errorf("after a change: got %q, want cluster prod-us", got)
	}
	stop()
}

func TestWatchOfStatusByAddress(t *testing.T) {
	m := newShop(t, nil)
	for _, address := range []string{"203.0.113.7", "::ffff:203.0.113.7"} {
		lines, stop := m.startWatch(t, "status", address, "-o", "name")
		if got := lines(1); !slices.Equal(got, []string{"cluster.rollcall.dev/prod-eu"}) {
			t.Errorf("%s: got %q, want cluster prod-eu", address, got)
		}
		stop()
	}
	if r := m.kubectl(t, "status", "198.51.100.1", "-w"); r.code != 1 || !strings.HasPrefix(r.errOut, "Error from server (NotFound): ") {
		t.Errorf("unknown address: got %d, %q; want 1, NotFound", r.code, r.errOut)
	}
}

func TestWatchOfAnUnreachableClusterEnds(t *testing.T) {
	m := newShop(t, nil)
	if r := m.kubectl(t, "pods", "lost", "-w"); r.code != 1 || !strings.HasPrefix(r.errOut, "Error from server (DialFailed): ") {
		t.Errorf("got %d, %q; want 1, DialFailed", r.code, r.errOut)
	}
}

// fullDisk is a writer that always fails, like a full disk.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestWatchEndsIfItCannotWrite(t *testing.T) {
	m := newShop(t, nil)
	var errOut bytes.Buffer
	code := plugin.Run(t.Context(), plugin.Config{IOStreams: genericiooptions.IOStreams{Out: fullDisk{}, ErrOut: &errOut}, Getenv: m.getenv}, []string{"pods", "prod-eu", "prod-us", "-w"})
	if code != 1 || errOut.String() != "error: no space left on device\n" {
		t.Errorf("got %d, %q; want 1 and the error", code, errOut.String())
	}
}
