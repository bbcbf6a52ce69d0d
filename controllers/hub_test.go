package controllers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // managers have loggers of their own
	goleak.VerifyTestMain(kube.Main(m))
}

const masterNamespace = "rollcall-system"

// hub is a real API server with the custom resources and the master's RBAC rules.
type hub struct {
	*kube.Cluster
	client client.WithWatch
}

var installed sync.Once

func newHub(t *testing.T) *hub {
	t.Helper()
	h := hubOn(t, kube.Shared(t, kube.Options{Name: "hub"}))
	installed.Do(func() { h.install(t) })
	return h
}

func hubOn(t *testing.T, cluster *kube.Cluster) *hub {
	t.Helper()
	c, err := client.NewWithWatch(cluster.Config(), client.Options{Scheme: newScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	return &hub{cluster, c}
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return scheme
}

func (h *hub) install(t *testing.T) {
	t.Helper()
	h.kubectl(t, "create", "namespace", masterNamespace)
	h.kubectl(t, "apply", "--server-side", "-k", "../config/crd")
	h.kubectl(t, "apply", "--server-side", "-k", "../config/rbac/master")
	h.kubectl(t, "wait", "--for=condition=Established", "--timeout=30s", "crd/clusteragents.rollcall.dev", "crd/clusterstatuses.rollcall.dev")
}

func (h *hub) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	output, err := h.Kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// apply creates a ClusterAgent and deletes it after the test.
func (h *hub) apply(t *testing.T, agent *v1alpha1.ClusterAgent) *v1alpha1.ClusterAgent {
	t.Helper()
	if err := h.client.Create(t.Context(), agent); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.delete(t, agent.DeepCopy()) })
	return agent
}

func (h *hub) delete(t *testing.T, object client.Object) {
	t.Helper()
	if err := client.IgnoreNotFound(h.client.Delete(context.WithoutCancel(t.Context()), object)); err != nil {
		t.Errorf("delete %s: %v", object.GetName(), err)
	}
}

// change updates a ClusterAgent's spec.
func (h *hub) change(t *testing.T, name string, change func(*v1alpha1.ClusterAgentSpec)) {
	t.Helper()
	agent := &v1alpha1.ClusterAgent{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := h.client.Get(t.Context(), client.ObjectKeyFromObject(agent), agent); err != nil {
		t.Fatal(err)
	}
	before := agent.DeepCopy()
	change(&agent.Spec)
	if err := h.client.Patch(t.Context(), agent, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// awaitAgent waits until a ClusterAgent's status has the short form want, and returns it.
func (h *hub) awaitAgent(t *testing.T, name, want string) *v1alpha1.ClusterAgent {
	t.Helper()
	got := ""
	return await(t, h, name, &v1alpha1.ClusterAgentList{}, func(a *v1alpha1.ClusterAgent) bool {
		if len(a.Status.Conditions) == 3 {
			got = formatStatus(a.Status)
		}
		return strings.HasPrefix(got, want) && a.Status.ObservedGeneration == a.Generation
	}, func() string { return "its status is " + got + ", want " + want })
}

// awaitStatus waits until a ClusterStatus has a condition Healthy with a status and reason, and
// returns it.
func (h *hub) awaitStatus(t *testing.T, name, want string) *v1alpha1.ClusterStatus {
	t.Helper()
	got := ""
	return await(t, h, name, &v1alpha1.ClusterStatusList{}, func(s *v1alpha1.ClusterStatus) bool {
		for _, c := range s.Status.Conditions {
			got = string(c.Status) + "/" + c.Reason
		}
		return got == want
	}, func() string { return "Healthy is " + got + ", want " + want })
}

// await waits until an object satisfies a condition.
func await[O client.Object](t *testing.T, h *hub, name string, list client.ObjectList, wanted func(O) bool, otherwise func() string) O {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watcher, err := h.client.Watch(ctx, list, client.MatchingFields{"metadata.name": name})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	for e := range watcher.ResultChan() {
		if object, ok := e.Object.(O); ok && e.Type != watch.Deleted && wanted(object) {
			return object
		}
	}
	t.Fatalf("%s: %s", name, otherwise())
	return *new(O)
}

// awaitGone waits until an object is deleted.
func (h *hub) awaitGone(t *testing.T, object client.Object, list client.ObjectList) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watcher, err := h.client.Watch(ctx, list, client.MatchingFields{"metadata.name": object.GetName()})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	for {
		err := h.client.Get(ctx, client.ObjectKeyFromObject(object), object)
		if apierrors.IsNotFound(err) {
			return
		}
		if _, open := <-watcher.ResultChan(); err != nil || !open {
			t.Fatalf("%T %s is still there (%v)", object, object.GetName(), err)
		}
	}
}

// master is a running master without sessions.
type master struct {
	*fakeSessions
	registry *Registry
	manager  manager.Manager
	stop     func()
}

// startMaster starts a master with the rights of its service account. The test's cleanup stops it.
func (h *hub) startMaster(t *testing.T) *master {
	t.Helper()
	return startMaster(t, h.masterConfig(t))
}

func (h *hub) masterConfig(t *testing.T) *rest.Config {
	t.Helper()
	config, _, err := h.ServiceAccount(t.Context(), masterNamespace, "rollcall-master")
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	return config
}

func startMaster(t *testing.T, rights *rest.Config) *master {
	t.Helper()
	m := &master{fakeSessions: newFakeSessions()}
	m.start(t, rights, func(r *Registry) Sessions {
		m.fakeSessions.registry = r
		return m.fakeSessions
	})
	return m
}

// start starts a manager with sessions that use the registry.
func (m *master) start(t *testing.T, rights *rest.Config, sessions func(*Registry) Sessions) {
	t.Helper()
	mgr, err := manager.New(rights, manager.Options{
		Scheme:     runtime.NewScheme(),
		Logger:     logr.FromSlogHandler(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.manager = mgr
	if m.registry, err = NewRegistry(t.Context(), mgr); err != nil {
		t.Fatal(err)
	}
	if err := m.registry.Ready(); err == nil {
		t.Error("the registry is ready before anything was read")
	}
	if _, err := m.registry.Resolve("prod-eu"); !errors.Is(err, session.ErrRegistryUnavailable) {
		t.Errorf("got error %v before the cache has synced, want %v", err, session.ErrRegistryUnavailable)
	}
	if err := Add(mgr, m.registry, sessions(m.registry), Options{Metrics: prometheus.NewRegistry()}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	t.Cleanup(m.stop)
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the cache did not fill")
	}
	if err := m.registry.Ready(); err != nil {
		t.Error(err)
	}
}

// waitIdle waits until all previous events are processed, by waiting for a later event of another
// cluster.
func (m *master) waitIdle(t *testing.T, h *hub) {
	t.Helper()
	last := named(fmt.Sprintf("idle-%d", idleWaits.Add(1)))
	h.apply(t, last)
	h.awaitAgent(t, last.Name, "Ready=Unknown/AwaitingFirstContact")
	m.setStatus(last.Name, of(last, summaryAt(0)))
	h.awaitAgent(t, last.Name, "Ready=True/Succeeded")
	h.awaitStatus(t, last.Name, "True/NoProblems")
	h.delete(t, last)
}

var idleWaits atomic.Int64

// versions returns a function that counts the writes of an object.
func (h *hub) versions(t *testing.T, agent *v1alpha1.ClusterAgent) func() int {
	t.Helper()
	watcher, err := h.client.Watch(t.Context(), &v1alpha1.ClusterAgentList{}, client.MatchingFields{"metadata.name": agent.Name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watcher.Stop)
	return func() int {
		t.Helper()
		var now v1alpha1.ClusterAgent
		if err := h.client.Get(t.Context(), client.ObjectKeyFromObject(agent), &now); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for e := range watcher.ResultChan() {
			version := e.Object.(*v1alpha1.ClusterAgent).ResourceVersion
			seen[version] = true
			if version == now.ResourceVersion {
				delete(seen, agent.ResourceVersion)
				return len(seen)
			}
		}
		t.Fatal("the watch ended")
		return 0
	}
}
