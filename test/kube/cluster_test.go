package kube

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// small is the shared cluster of most tests.
var small = Options{Name: "small", Audit: true}

func TestUsersHaveTheirOwnNameAndRights(t *testing.T) {
	cluster := Shared(t, small)
	config, kubeconfig, err := cluster.User("reader", "readers")
	if err != nil {
		t.Fatal(err)
	}
	reader := clientFor(t, config)
	if _, err := reader.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("list nodes as a user without rights: got %v, want forbidden", err)
	}

	kubectl(t, cluster, "create", "clusterrole", "readers", "--verb=list", "--resource=configmaps")
	kubectl(t, cluster, "create", "clusterrolebinding", "readers", "--clusterrole=readers", "--group=readers")
	err = cluster.poll(t.Context(), "the binding to work", func(ctx context.Context) error {
		_, err := reader.CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{})
		return err
	})
	if err != nil {
		t.Errorf("list ConfigMaps as a user whose group may: %v", err)
	}
	if user := whoami(t, cluster, kubeconfig); user != "reader" {
		t.Errorf("kubectl with the user's kubeconfig: got user %q, want reader", user)
	}
}

func TestServiceAccountTokensWork(t *testing.T) {
	cluster := Shared(t, small)
	kubectl(t, cluster, "create", "serviceaccount", "robot")
	_, kubeconfig, err := cluster.ServiceAccount(t.Context(), "default", "robot")
	if err != nil {
		t.Fatal(err)
	}
	if user, want := whoami(t, cluster, kubeconfig), "system:serviceaccount:default:robot"; user != want {
		t.Errorf("kubectl with the service account's kubeconfig: got user %q, want %s", user, want)
	}
}

func TestAuditLogHasUserAndRequest(t *testing.T) {
	cluster := Shared(t, small)
	config, _, err := cluster.User("watcher", administrators)
	if err != nil {
		t.Fatal(err)
	}
	watcher := clientFor(t, config)
	if _, err := watcher.CoreV1().ConfigMaps("default").Get(t.Context(), "none", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Fatalf("get a ConfigMap that does not exist: got %v, want not found", err)
	}
	middle := time.Now()
	watch, err := watcher.CoreV1().Nodes().Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()

	events := auditFor(t, cluster, "watcher", time.Time{}, 2)
	get, watchEvent := events[0], events[1]
	if get.Verb != "get" || get.Resource != "configmaps" || get.Namespace != "default" || get.Name != "none" || get.Code != 404 || get.Stage != ResponseComplete {
		t.Errorf("event of a GET of default/none: got %+v", get)
	}
	if watchEvent.Verb != "watch" || watchEvent.Resource != "nodes" || watchEvent.Stage != ResponseStarted {
		t.Errorf("event of a running watch: got %+v", watchEvent)
	}
	if later := auditFor(t, cluster, "watcher", middle, 1); len(later) != 1 || later[0].Verb != "watch" {
		t.Errorf("events since the watch: got %v, want only the watch", later)
	}
}

func TestAPIServerRestartsWithSamePortAndData(t *testing.T) {
	cluster := Fresh(t, Options{Name: "restart"})
	before, err := cluster.UID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cluster.StopAPIServer()
	if _, err := cluster.UID(t.Context()); err == nil {
		t.Error("read the UID from a stopped API server: got no error")
	}
	if err := cluster.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := cluster.UID(t.Context())
	if err != nil || after != before {
		t.Errorf("UID after the restart: got %q, %v, want %q", after, err, before)
	}
}

func TestFrozenAPIServerKeepsConnectionsWithoutResponse(t *testing.T) {
	cluster := Fresh(t, Options{Name: "frozen"})
	cluster.FreezeAPIServer()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := cluster.UID(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("frozen API server: got %v, want a timeout", err)
	}
	cluster.ThawAPIServer()
	if _, err := cluster.UID(t.Context()); err != nil {
		t.Errorf("after ThawAPIServer: %v", err)
	}
}

func TestCloseRemovesEverything(t *testing.T) {
	cluster, err := Start(t.Context(), Options{Name: "gone"})
	if err != nil {
		t.Fatal(err)
	}
	dir, address := cluster.dir.path, strings.TrimPrefix(cluster.Config().Host, "https://")
	cluster.Close()
	cluster.Close() // a second call does nothing
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cluster's folder %s: got %v, want that it does not exist", dir, err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the API server's port is not free: %v", err)
	}
	listener.Close()
	if processes := processesIn(t, dir); len(processes) > 0 {
		t.Errorf("processes of the cluster are still running: %v", processes)
	}
}

func TestFailedStartReturnsTheLogAndCleansUp(t *testing.T) {
	binaries := t.TempDir()
	script := "#!/bin/sh\necho no more room >&2\nexit 3\n"
	if err := os.WriteFile(filepath.Join(binaries, "etcd"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Name: "broken", Binaries: binaries})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no more room") {
		t.Errorf("start with an etcd that fails: got %v, want its exit status and its output", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), workdirPrefix+"broken-*")); len(left) > 0 {
		t.Errorf("folders of the failed cluster still exist: %v", left)
	}
}

func TestNewClusterRemovesAbandonedFolders(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	locked, err := newWorkdir("", "locked")
	if err != nil {
		t.Fatal(err)
	}
	defer locked.remove()
	abandoned, err := newWorkdir("", "abandoned")
	if err != nil {
		t.Fatal(err)
	}
	abandoned.lock.Close() // as the kernel does for a process that was killed

	next, err := newWorkdir("", "next")
	if err != nil {
		t.Fatal(err)
	}
	defer next.remove()
	if _, err := os.Stat(abandoned.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the abandoned folder: got %v, want that it does not exist", err)
	}
	if _, err := os.Stat(locked.path); err != nil {
		t.Errorf("the folder in use: %v", err)
	}
}

func TestMetricsServerNeedsKwok(t *testing.T) {
	if _, err := Start(t.Context(), Options{MetricsServer: true}); err == nil || !strings.Contains(err.Error(), "Kwok") {
		t.Errorf("MetricsServer without Kwok: got %v, want an error that names Kwok", err)
	}
}

func clientFor(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func kubectl(t *testing.T, cluster *Cluster, args ...string) string {
	t.Helper()
	output, err := cluster.Kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

func whoami(t *testing.T, cluster *Cluster, kubeconfig string) string {
	t.Helper()
	return kubectl(t, cluster, "--kubeconfig", kubeconfig, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
}

// auditFor waits until the audit log has count events of a user. A response can arrive before its line in the log.
func auditFor(t *testing.T, cluster *Cluster, user string, since time.Time, count int) []AuditEvent {
	t.Helper()
	var events []AuditEvent
	err := cluster.poll(t.Context(), "the audit log", func(context.Context) (err error) {
		if events, err = cluster.AuditFor(user, since); err == nil && len(events) < count {
			err = errors.New("too few events")
		}
		return err
	})
	if err != nil {
		t.Fatalf("%v; events: %v", err, events)
	}
	return events
}

// processesIn returns the processes whose working directory is in dir.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dir) {
			found = append(found, link)
		}
	}
	return found
}
