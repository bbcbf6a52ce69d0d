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

// auditedCluster is the cluster with an audit log that most tests in this file share.
var auditedCluster = kube.Options{Name: "watched", Audit: true}

// startInformer starts an informer of a real cluster, and stops it at the end of the test.
func startInformer(t *testing.T, config *rest.Config) *recorder {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	rec, done := newRecorder(), make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{REST: config, Handler: rec.handler(), Log: slog.New(slog.DiscardHandler)})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	return rec
}

// waitFor waits until condition returns true, and returns how long that took.
func (r *recorder) waitFor(t *testing.T, what string, timeout time.Duration, condition func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	deadline := time.After(timeout)
	for !condition() {
		select {
		case <-r.changed:
		case <-deadline:
			t.Fatalf("no %s within %v; storage: %+v, pods: %+v", what, timeout, r.statuses(state.SectionStorage), r.statuses(state.SectionPods))
		}
	}
	return time.Since(start)
}

// isLive returns a condition for waitFor: all sections are live.
func (r *recorder) isLive(sections ...state.SectionName) func() bool {
	return func() bool {
		for _, name := range sections {
			if status, _ := r.lastStatus(name); !status.Live {
				return false
			}
		}
		return true
	}
}

// isStale returns a condition for waitFor: all sections have an error with the reason.
func (r *recorder) isStale(reason string, sections ...state.SectionName) func() bool {
	return func() bool {
		for _, name := range sections {
			if status, _ := r.lastStatus(name); status.Live || status.Error.Reason != reason {
				return false
			}
		}
		return true
	}
}

// createReader creates a user that may list and watch the resources.
func createReader(t *testing.T, c *kube.Cluster, name string, resources ...string) *rest.Config {
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

// createObjects creates a namespace with one object of each kind.
func createObjects(t *testing.T, c *kube.Cluster, namespace string) {
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

// has reports whether a fact exists.
func (r *recorder) has(k state.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.facts[k]
	return ok
}

func TestOnlyWatchRequestsToRealServer(t *testing.T) {
	cluster := kube.Shared(t, auditedCluster)
	config := createReader(t, cluster, "watcher", "nodes", "pods", "services", "endpointslices", "persistentvolumeclaims", "persistentvolumes")
	createObjects(t, cluster, "only-watched")
	start := time.Now()
	rec := startInformer(t, config)
	rec.waitFor(t, "first lists", 20*time.Second, rec.isLive(allSections...))

	pod := state.Key{Kind: state.KindPod, Namespace: "only-watched", Name: "web-1"}
	target := state.Key{Kind: state.KindTarget, Namespace: "only-watched", Name: "web", Protocol: state.TCP, Port: 8080, Address: "10.1.0.1", Node: "address"}
	if !rec.has(pod) || !rec.has(target) {
		t.Error("the pod or the target is missing after the first lists")
	}

	client := cluster.Client().CoreV1()
	if _, err := client.Pods("only-watched").Patch(t.Context(), "web-1", types.MergePatchType, []byte(`{"status":{"phase":"Running","reason":"Evicted"}}`), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	rec.waitFor(t, "new status of the pod", 5*time.Second, func() bool { return rec.pod("only-watched", "web-1").Reason == "Evicted" })
	_, err := client.PersistentVolumeClaims("only-watched").Patch(t.Context(), "data", types.MergePatchType, []byte(`{"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}`), metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatal(err)
	}
	rec.waitFor(t, "capacity of the claim", 5*time.Second, func() bool { return rec.pod("only-watched", "web-1").Storage[0].CapacityBytes == 1<<30 })
	if err := client.Services("only-watched").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	rec.waitFor(t, "removal of the Service", 5*time.Second, func() bool { return !rec.has(target) })
	if err := client.Pods("only-watched").Delete(t.Context(), "web-1", *metav1.NewDeleteOptions(0)); err != nil {
		t.Fatal(err)
	}
	rec.waitFor(t, "removal of the pod", 5*time.Second, func() bool { return !rec.has(pod) })

	events, err := cluster.AuditFor("watcher", start)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Verb != "watch" {
			t.Errorf("got a request other than a watch: %v", e)
		}
	}
	if len(events) == 0 {
		t.Error("the audit log has no request of the informer")
	}
}

func TestMissingPermissionsAreReportedUntilGranted(t *testing.T) {
	cluster := kube.Shared(t, auditedCluster)
	config := createReader(t, cluster, "without-claims", "nodes", "pods", "services", "endpointslices", "persistentvolumes")
	rec := startInformer(t, config)
	rec.waitFor(t, "permitted sections", 20*time.Second, rec.isLive(state.SectionNodes, state.SectionPods, state.SectionNetwork))
	rec.waitFor(t, "Forbidden error", 20*time.Second, rec.isStale(state.ReasonForbidden, state.SectionStorage))
	status, _ := rec.lastStatus(state.SectionStorage)
	if !status.ObservedAt.IsZero() || !strings.Contains(status.Error.Message, `"without-claims"`) {
		t.Errorf("got storage %+v, want it never observed and an error with the user name", status)
	}

	patch := []byte(`[{"op":"add","path":"/rules/0/resources/-","value":"persistentvolumeclaims"}]`)
	if _, err := cluster.Client().RbacV1().ClusterRoles().Patch(t.Context(), "without-claims", types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	rec.waitFor(t, "storage section", forbiddenWaitMax+10*time.Second, rec.isLive(state.SectionStorage))
}

// TestSectionsAreStaleWhileRealServerIsDown kills an API server and starts it again. Then it stops the process with
// SIGSTOP, which only HTTP/2 pings detect.
func TestSectionsAreStaleWhileRealServerIsDown(t *testing.T) {
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "1")
	t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "1")
	cluster := kube.Fresh(t, kube.Options{Name: "unavailable"})
	createObjects(t, cluster, "unavailable")
	rec := startInformer(t, cluster.Config())
	rec.waitFor(t, "first lists", 20*time.Second, rec.isLive(allSections...))
	facts := rec.count(state.KindPod) + rec.count(state.KindPort)

	killed := time.Now()
	cluster.StopAPIServer()
	rec.waitFor(t, "error of the lost connection", 10*time.Second, rec.isStale(state.ReasonDisconnected, allSections...))
	for _, name := range allSections {
		status, _ := rec.lastStatus(name)
		if delay := status.ObservedAt.Sub(killed); delay < 0 || delay > 5*time.Second {
			t.Errorf("section %s was last observed %v after the kill, want 0 to 5s", name, delay)
		}
	}
	if now := rec.count(state.KindPod) + rec.count(state.KindPort); now != facts {
		t.Errorf("got %d facts while the server is down, want %d as before", now, facts)
	}
	if err := cluster.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	elapsed := rec.waitFor(t, "reconnect", 15*time.Second, rec.isLive(allSections...))
	t.Logf("all sections were live again %v after the server was ready", elapsed)

	frozen := time.Now()
	cluster.FreezeAPIServer()
	elapsed = rec.waitFor(t, "error of the frozen server", 15*time.Second, rec.isStale(state.ReasonDisconnected, allSections...))
	status, _ := rec.lastStatus(state.SectionPods)
	t.Logf("the frozen server was detected after %v; pods were last observed %v after the freeze: %s", elapsed, status.ObservedAt.Sub(frozen), status.Error.Message)
	cluster.ThawAPIServer()
	elapsed = rec.waitFor(t, "reconnect", 15*time.Second, rec.isLive(allSections...))
	t.Logf("all sections were live again %v after the server continued", elapsed)
}
