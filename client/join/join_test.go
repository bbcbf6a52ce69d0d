package join

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// check and leave run Check and Leave for prod-eu.
func (f *fixture) check(o Options) (string, error) {
	f.out.Reset()
	err := Check(f.t.Context(), CheckOptions{Name: o.Name, Hub: o.Hub, HubNamespace: o.HubNamespace, Member: o.Member, Out: f.out})
	return f.out.String(), err
}

func (f *fixture) leave(o Options) (string, error) {
	f.out.Reset()
	unknown := func(context.Context, string) (Answer, error) { return Answer{}, ErrUnknownCluster }
	err := Leave(f.t.Context(), LeaveOptions{Name: o.Name, Hub: o.Hub, Member: o.Member, DryRun: o.DryRun, Out: f.out, Ask: unknown})
	return f.out.String(), err
}

func TestJoinRepairCheckAndLeave(t *testing.T) {
	f := newFixture(t)
	f.play()
	o := f.options()
	o.Labels = map[string]string{"region": "eu"}
	o.Ask = func(context.Context, string) (Answer, error) { return Answer{Nodes: 3, Pods: 1, Bytes: 2048}, nil }
	f.mustJoin(o,
		"Reverse: the agent dials the hub at wss://hub.example:443 (ConfigMap rollcall-hub), as neither --endpoint nor --expose is set",
		"prod-eu is free", "! metrics API", "14 objects: 13 created, 0 changed, 1 unchanged", "SHA-256 "+testPin, "ClusterAgent prod-eu created",
		"from 192.0.2.1, round trip 3ms, clocks agree within 2 s", "3 nodes, 1 pod, 2.0 KiB in", "prod-eu has joined")
	if got := f.kubectl(f.hub, "get", "clusteragent", "prod-eu", "-o", "jsonpath={.spec.connection} {.spec.tls.pinnedSHA256[0]} {.metadata.labels.region}"); got != "Reverse "+testPin+" eu" {
		t.Errorf("got the ClusterAgent %s", got)
	}
	f.mustJoin(o, "this run repairs it", "0 created, 0 changed, 14 unchanged", "is up to date")
	f.kubectl(f.member, "-n", Namespace, "delete", "configmap", agentNameMap)
	f.mustJoin(o, "1 created, 0 changed, 13 unchanged")

	out, err := f.check(o)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	f.contains(out, []string{"key accepted by spec.tls.pinnedSHA256", "the agent has the hub's signing key and CA", "Linked since", "prod-eu works"})

	if out, err = f.leave(o); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	f.contains(out, []string{"deleted the ClusterAgent prod-eu", "the masters do not know prod-eu any more", "removed 13 objects, with the agent's key", "the Namespace rollcall-system stays: it was created by"})
	if left := f.kubectl(f.member, "get", "clusterroles", "-l", "app.kubernetes.io/part-of=rollcall", "-o", "name"); left != "" {
		t.Errorf("these stay: %s", left)
	}
	if out, err = f.check(o); err == nil {
		t.Error("check succeeds after leave")
	}
	f.contains(out, []string{"✗ registration", "→ join the cluster: kubectl rollcall join prod-eu"})
}

func TestLeaveWithoutTheMember(t *testing.T) {
	f := newFixture(t)
	f.play()
	f.mustJoin(f.options())
	o := f.options()
	o.Member = f.cluster("gone", &rest.Config{Host: "https://127.0.0.1:1"})
	out, err := f.leave(o)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	f.contains(out, []string{"https://127.0.0.1:1 cannot be reached", "deleted the ClusterAgent prod-eu", "these stay in it if it still exists: the namespace rollcall-system"})
	o.Member = nil
	if out, err = f.leave(o); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	f.contains(out, []string{"there is no ClusterAgent prod-eu", "kubectl rollcall leave prod-eu --context CONTEXT"})
}

func TestLeaveRefusesAnotherCluster(t *testing.T) {
	f := newFixture(t)
	f.play()
	f.mustJoin(f.options())
	o := f.options()
	o.Member = f.cluster("hub", f.hub.Config())
	out, err := f.leave(o)
	if !errors.Is(err, ErrFailed) {
		t.Errorf("got %v", err)
	}
	f.contains(out, []string{"is not prod-eu", "→ set --context"})
	o.Name, o.Member = "prod-us", f.cluster("prod-eu-admin", f.member.Config())
	if out, err = f.leave(o); !errors.Is(err, ErrFailed) {
		t.Errorf("got %v", err)
	}
	f.contains(out, []string{"is that of prod-eu"})
	f.kubectl(f.hub, "get", "clusteragent", "prod-eu")
}

// TestDryRunChangesNothing compares all objects before and after.
func TestDryRunChangesNothing(t *testing.T) {
	f := newFixture(t)
	snapshot := func() string {
		return f.kubectl(f.member, "get", "all,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,clusterroles,clusterrolebindings,namespaces", "-A", "-o", "custom-columns=:kind,:metadata.name,:metadata.resourceVersion", "--no-headers") +
			f.kubectl(f.hub, "get", "clusteragents,configmaps", "-A", "-o", "custom-columns=:kind,:metadata.name,:metadata.resourceVersion", "--no-headers")
	}
	before := snapshot()
	for _, dryRun := range []DryRun{DryRunClient, DryRunServer} {
		o := f.options()
		var objects strings.Builder
		o.DryRun, o.Objects = dryRun, &objects
		f.mustJoin(o, "would apply 14 objects: 13 created", "would apply the ClusterAgent prod-eu", "Nothing was changed (--dry-run="+string(dryRun)+")")
		for _, text := range []string{"# for the cluster prod-eu", "# for the hub", "kind: ClusterAgent", "connection: Reverse", "--hub=wss://hub.example:443"} {
			if !strings.Contains(objects.String(), text) {
				t.Errorf("the objects have no %q:\n%s", text, &objects)
			}
		}
		if after := snapshot(); after != before {
			t.Errorf("--dry-run=%s: got\n%s\nwant\n%s", dryRun, after, before)
		}
	}
}

func TestFailureIsUndone(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Wait = time.Second // no kubelet is there
	f.fails(o, "✗ agent's key", "the agent is not ready in time: there is no pod yet", "→ remove the cause, or set a longer --wait", "↩ undo", "removed what this run had created: 13 objects")
	if left := f.kubectl(f.member, "-n", Namespace, "get", "deployments,secrets,serviceaccounts", "-l", managedByLabel+"="+FieldManager, "-o", "name"); left != "" {
		t.Errorf("these stay: %s", left)
	}
	f.play()
	f.mustJoin(f.options())
	o = f.options()
	o.ProxyURL, o.HubServerName = "http://proxy.example:3128", "masters.example"
	o.Hub = f.cluster("hub", f.hub.Config())
	o.Ask = func(context.Context, string) (Answer, error) { return Answer{}, errors.New("not from here") }
	f.mustJoin(o, "1 changed", "! first answer", "the masters could not be asked from here: not from here", "✓ first answer", "played")
}
