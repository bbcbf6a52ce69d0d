package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"rollcall.dev/rollcall/test/history"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/redistest"
	"rollcall.dev/rollcall/test/stack"
)

// counted is what a reader is told about the counting pod: its version, as term and seq, and the count.
type counted struct {
	version   string
	term, seq uint64
	count     int
}

// older reports whether c is of an older version than d.
func (c counted) older(d counted) bool { return c.term < d.term || c.term == d.term && c.seq < d.seq }

// killed is a cluster that changes ten times a second, whose master and agent are killed while clients read it.
type killed struct {
	t       *testing.T
	name    string
	master  *stack.Master
	agent   *stack.Agent
	history *history.History
	// late is set when a killed master has told readers more than Redis had, since Redis did not answer within 50 ms. Its
	// metric counts that. Readers then ask for a version that is not older than their last one.
	late atomic.Bool
}

// TestKillsLoseNothingThatReadersWereTold kills a master with Redis, its agent, and both. Neither the version nor the
// content of what readers are told goes back, one version has one content, and reads do not fail.
func TestKillsLoseNothingThatReadersWereTold(t *testing.T) {
	t.Parallel()
	startKilled(t, "counting", false).run()
}

// TestKillsLoseNothingOfALinkedAgent does the same with an agent that dials its master.
func TestKillsLoseNothingOfALinkedAgent(t *testing.T) {
	t.Parallel()
	startKilled(t, "counting-linked", true).run()
}

// run reads the cluster, and kills its processes.
func (k *killed) run() {
	k.t.Helper()
	stopReading := k.startReader("a second reader")
	defer stopReading()
	r, last := k.history.Reader("the first reader"), counted{}
	kube.Eventually(k.t, 30*time.Second, func() (err error) { last, err = k.read(r, last); return err })
	for _, kill := range []func(){k.killMaster, k.killAgent, k.killMaster, k.killBoth} {
		last = k.readChanges(r, last)
		kill()
	}
	k.readChanges(r, last)
	stopReading()
	k.history.Check()
}

// readChanges reads until the reader has seen 20 changes.
func (k *killed) readChanges(r *history.Reader, last counted) counted {
	k.t.Helper()
	for first, end := last, time.Now().Add(time.Minute); last.count < first.count+20; <-time.After(10 * time.Millisecond) {
		var err error
		if last, err = k.read(r, last); err != nil {
			k.t.Fatal(err)
		}
		if time.Now().After(end) {
			k.t.Fatalf("the count was %d a minute ago, and is %d", first.count, last.count)
		}
	}
	return last
}

// startKilled starts a hub, its master with Redis, and an agent of the member.
func startKilled(t *testing.T, name string, reverse bool) *killed {
	t.Helper()
	redis, certificate := redistest.Start(t), t.TempDir()
	if _, err := env.stack.Run(t.Context(), "rollcall-agent", "certgen", certificate+"/master"); err != nil {
		t.Fatal(err)
	}
	hub, master := startHub(t, "--cache", redis.URL(), "--leader-elect=false", "--tls-cert-file", certificate+"/master/tls.crt", "--tls-key-file", certificate+"/master/tls.key")
	var flags []string
	address := strings.TrimPrefix(master.URL, "https://")
	if reverse {
		flags = []string{"--hub", "wss://" + address, "--hub-pin", servedPin(t, address)}
	}
	a, err := env.stack.StartAgent(t.Context(), env.member, name, flags...)
	if err != nil {
		t.Fatal(err)
	}
	startCounting(t, name)
	manifest := a.Manifest("cacheTTL: 60s")
	if reverse {
		manifest = reverseManifest(a, "  reporting: {cacheTTL: 60s}\n")
	}
	if _, err := hub.KubectlInput(manifest, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	return &killed{t: t, name: name, master: master, agent: a, history: history.New(t)}
}

// start starts a process again, which was killed.
func (k *killed) start(p interface{ Start(context.Context) error }) {
	if err := p.Start(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
}

func (k *killed) killMaster() {
	k.checkLate()
	k.master.Kill()
	k.start(k.master)
}

func (k *killed) killAgent() {
	k.agent.Kill()
	k.start(k.agent)
}

// checkLate sets late by the metric of the master.
func (k *killed) checkLate() {
	response, err := k.master.Get(k.t.Context(), "/metrics")
	if err != nil {
		k.t.Fatal(err)
	}
	if !strings.Contains(string(response.Body), "\nrollcall_reports_unstored_total 0\n") {
		k.t.Log("redis was late: readers ask for no older versions")
		k.late.Store(true)
	}
}

func (k *killed) killBoth() {
	k.checkLate()
	k.master.Kill()
	k.agent.Kill()
	k.start(k.agent)
	k.start(k.master)
}

// read reads the counting pod, whose version and count may not be older than the last ones.
func (k *killed) read(r *history.Reader, last counted) (counted, error) {
	version := ""
	if k.late.Load() {
		version = last.version
	}
	next, at, err := readCount(k.t.Context(), k.master, k.name, version)
	if err != nil {
		return last, err
	}
	r.RecordDocument(k.name, next.version, strconv.Itoa(next.count), at)
	if next.older(last) || next.count < last.count {
		k.t.Errorf("got count %d at %s after count %d at %s", next.count, next.version, last.count, last.version)
	}
	return next, nil
}

// startReader starts a reader that reads all the time, also while no master runs, until stop is called.
func (k *killed) startReader(who string) (stop func()) {
	ctx, cancel := context.WithCancel(k.t.Context())
	ended := make(chan struct{})
	r := k.history.Reader(who)
	go func() {
		defer close(ended)
		for last := (counted{}); ctx.Err() == nil; <-time.After(30 * time.Millisecond) {
			last, _ = k.read(r, last)
		}
	}()
	return func() { cancel(); <-ended }
}

// startCounting creates a pod in a namespace of the member, and counts up in an annotation that is a fact until the
// test ends.
func startCounting(t *testing.T, namespace string) {
	t.Helper()
	client := env.member.Client().CoreV1()
	if _, err := client.Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "counter"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/counter"}}},
	}
	kube.Eventually(t, 20*time.Second, func() error { // the namespace gets its service account first
		_, err := client.Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for count := 1; ctx.Err() == nil; count++ {
			patch := fmt.Sprintf(`{"metadata":{"annotations":{"rollcall.dev/mute":"%d"}}}`, count)
			if _, err := client.Pods(namespace).Patch(ctx, "counter", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
}

// readCount reads the counting pod, and when the master received it, in a version that is not older than the given one
// unless that is empty.
func readCount(ctx context.Context, m *stack.Master, cluster, version string) (c counted, at time.Time, err error) {
	path := "/api/v1/clusters/" + cluster + "/pods?namespace=" + cluster
	if version != "" {
		path += "&timeout=10s&resourceVersionMatch=NotOlderThan&resourceVersion=" + version
	}
	d, err := tryGetCluster(ctx, m, path)
	if err != nil {
		return c, at, err
	}
	if len(d.Pods) != 1 {
		return c, at, fmt.Errorf("got %d pods, want 1", len(d.Pods))
	}
	// Only tests may parse a resourceVersion, <term>.<epoch>-<seq>.
	term, revision, _ := strings.Cut(d.ResourceVersion, ".")
	_, seq, _ := strings.Cut(revision, "-")
	var errs [3]error
	c.version = d.ResourceVersion
	c.term, errs[0] = strconv.ParseUint(term, 10, 64)
	c.seq, errs[1] = strconv.ParseUint(seq, 10, 64)
	c.count, errs[2] = strconv.Atoi(d.Pods[0].Mute)
	if err := errors.Join(errs[:]...); err != nil {
		return c, at, fmt.Errorf("parse version %s and count %q: %w", d.ResourceVersion, d.Pods[0].Mute, err)
	}
	return c, d.ReceivedAt, nil
}
