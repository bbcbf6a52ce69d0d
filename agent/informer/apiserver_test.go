package informer

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

// audited is a cluster with an audit log that most tests here share.
var audited = kube.Options{Name: "watched", Audit: true}

// follow runs the informer on a real cluster for as long as the test.
func follow(t *testing.T, config *rest.Config) *recorder {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	seen, ended := newRecorder(), make(chan error, 1)
	go func() { ended <- Run(ctx, Config{REST: config, Sink: seen.sink(), Log: slog.New(slog.DiscardHandler)}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	return seen
}

// await waits until so returns true, and returns how long that took.
func (r *recorder) await(t *testing.T, what string, atMost time.Duration, so func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	deadline := time.After(atMost)
	for !so() {
		select {
		case <-r.changed:
		case <-deadline:
			t.Fatalf("waited %v for %s; storage: %+v, pods: %+v", atMost, what, r.all(state.SectionStorage), r.all(state.SectionPods))
		}
	}
	return time.Since(start)
}

func (r *recorder) live(sections ...state.SectionName) func() bool {
	return func() bool {
		for _, name := range sections {
			if report, _ := r.last(name); !report.Live {
				return false
			}
		}
		return true
	}
}

func (r *recorder) staleFor(reason string, sections ...state.SectionName) func() bool {
	return func() bool {
		for _, name := range sections {
			if report, _ := r.last(name); report.Live || report.Error.Reason != reason {
				return false
			}
		}
		return true
	}
}

// readerOf creates a user that may list and watch the resources.
func readerOf(t *testing.T, c *kube.Cluster, name string, resources ...string) *rest.Config {
	t.Helper()
	config, _, err := c.User(name)
	if err != nil {
		t.Fatal(err)
	}
	roles := c.Client().RbacV1()
	_, err = roles.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"", "discovery.k8s.io"}, Resources: resources, Verbs: []string{"list", "watch"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = roles.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// createAll creates a namespace with one object of each kind.
func createAll(t *testing.T, c *kube.Cluster, namespace string) {
	t.Helper()
	if out, err := c.KubectlInput(strings.ReplaceAll(oneOfEach, "NAMESPACE", namespace), "create", "-f", "-"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

const oneOfEach = `
{apiVersion: v1, kind: Namespace, metadata: {name: NAMESPACE}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: NAMESPACE, name: default}}
---
apiVersion: v1
kind: Pod
metadata: {namespace: NAMESPACE, name: web-1}
spec:
  containers: [{name: app, image: "app:1"}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {namespace: NAMESPACE, name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {namespace: NAMESPACE, name: web}
spec: {type: NodePort, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: NAMESPACE, name: web-a, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: "", port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.1.0.1]}]
`

func (r *recorder) has(k state.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.facts[k]
	return ok
}

func TestRealServerIsOnlyWatched(t *testing.T) {
	cluster := kube.Shared(t, audited)
	config := readerOf(t, cluster, "watcher", "nodes", "pods", "services", "endpointslices", "persistentvolumeclaims", "persistentvolumes")
	createAll(t, cluster, "only-watched")
	start := time.Now()
	seen := follow(t, config)
	seen.await(t, "the first lists", 20*time.Second, seen.live(allSections...))

	pod := state.Key{Kind: state.KindPod, Namespace: "only-watched", Name: "web-1"}
	target := state.Key{Kind: state.KindTarget, Namespace: "only-watched", Name: "web", Protocol: state.TCP, Port: 8080, Address: "10.1.0.1", Node: "address"}
	if !seen.has(pod) || !seen.has(target) {
		t.Error("the first lists lack the pod or the target")
	}

	client := cluster.Client().CoreV1()
	if _, err := client.Pods("only-watched").Patch(t.Context(), "web-1", types.MergePatchType, []byte(`{"status":{"phase":"Running","reason":"Evicted"}}`), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "the pod's new status", 5*time.Second, func() bool { return seen.pod("only-watched", "web-1").Reason == "Evicted" })
	_, err := client.PersistentVolumeClaims("only-watched").Patch(t.Context(), "data", types.MergePatchType, []byte(`{"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}`), metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
	seen.await(t, "the claim's capacity", 5*time.Second, func() bool { return seen.pod("only-watched", "web-1").Storage[0].CapacityBytes == 1<<30 })
	if err := client.Services("only-watched").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "the Service's end", 5*time.Second, func() bool { return !seen.has(target) })
	if err := client.Pods("only-watched").Delete(t.Context(), "web-1", *metav1.NewDeleteOptions(0)); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "the pod's end", 5*time.Second, func() bool { return !seen.has(pod) })

	events, err := cluster.AuditFor("watcher", start)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Verb != "watch" {
			t.Errorf("the informer asked for more than watches: %v", e)
		}
	}
	if len(events) == 0 {
		t.Error("the audit log has nothing of the informer")
	}
}

func TestMissingRightsAreReportedAndTakeEffectWhenGranted(t *testing.T) {
	cluster := kube.Shared(t, audited)
	config := readerOf(t, cluster, "without-claims", "nodes", "pods", "services", "endpointslices", "persistentvolumes")
	seen := follow(t, config)
	seen.await(t, "what may be read", 20*time.Second, seen.live(state.SectionNodes, state.SectionPods, state.SectionNetwork))
	seen.await(t, "the refusal", 20*time.Second, seen.staleFor(ReasonForbidden, state.SectionStorage))
	report, _ := seen.last(state.SectionStorage)
	if !report.ObservedAt.IsZero() || !strings.Contains(report.Error.Message, `"without-claims"`) {
		t.Errorf("storage: %+v, want it never observed and the user named", report)
	}

	patch := []byte(`[{"op":"add","path":"/rules/0/resources/-","value":"persistentvolumeclaims"}]`)
	if _, err := cluster.Client().RbacV1().ClusterRoles().Patch(t.Context(), "without-claims", types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "the claims", refusalMax+10*time.Second, seen.live(state.SectionStorage))
}

// TestLostRealServerMakesSectionsStale kills an API server and starts it again, and then
// stops its process with SIGSTOP, which only HTTP/2's pings detect.
func TestLostRealServerMakesSectionsStale(t *testing.T) {
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "1")
	t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "1")
	cluster := kube.Fresh(t, kube.Options{Name: "away"})
	createAll(t, cluster, "away")
	seen := follow(t, cluster.Config())
	seen.await(t, "the first lists", 20*time.Second, seen.live(allSections...))
	facts := seen.count(state.KindPod) + seen.count(state.KindPort)

	killed := time.Now()
	cluster.StopAPIServer()
	seen.await(t, "the loss", 10*time.Second, seen.staleFor(ReasonDisconnected, allSections...))
	for _, name := range allSections {
		report, _ := seen.last(name)
		if late := report.ObservedAt.Sub(killed); late < 0 || late > 5*time.Second {
			t.Errorf("section %s was observed %v after the kill", name, late)
		}
	}
	if now := seen.count(state.KindPod) + seen.count(state.KindPort); now != facts {
		t.Errorf("%d facts while the server is away, want the %d from before", now, facts)
	}
	if err := cluster.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := seen.await(t, "the return", 15*time.Second, seen.live(allSections...))
	t.Logf("all sections were live again %v after the server was ready", took)

	frozen := time.Now()
	cluster.FreezeAPIServer()
	took = seen.await(t, "the silence to be noticed", 15*time.Second, seen.staleFor(ReasonDisconnected, allSections...))
	report, _ := seen.last(state.SectionPods)
	t.Logf("the silence was noticed after %v; pods were observed %v after it began: %s", took, report.ObservedAt.Sub(frozen), report.Error.Message)
	cluster.ThawAPIServer()
	took = seen.await(t, "the return", 15*time.Second, seen.live(allSections...))
	t.Logf("all sections were live again %v after the thaw", took)
}
