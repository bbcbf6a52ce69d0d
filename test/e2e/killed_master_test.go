package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/redistest"
	"rollcall.dev/rollcall/test/stack"
)

// counted is what a reader is told about the counting pod: its version, as term and seq, and the count.
type counted struct {
	term, seq uint64
	count     int
}

// older reports whether c is of an older version than d.
func (c counted) older(d counted) bool { return c.term < d.term || c.term == d.term && c.seq < d.seq }

// TestKilledMasterIsFollowedByOneThatKnowsAsMuch kills a master with Redis while a member changes ten times a second, and
// reads without a pause. Neither the version nor the content of what readers are told goes back.
func TestKilledMasterIsFollowedByOneThatKnowsAsMuch(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	hub, master := startHub(t, "--cache", redis.URL(), "--leader-elect=false")
	a, err := env.stack.StartAgent(t.Context(), env.member, "counting")
	if err != nil {
		t.Fatal(err)
	}
	startCounting(t, "counting")
	if _, err := hub.KubectlInput(a.Manifest("cacheTTL: 30s"), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	last := counted{}
	read := func() error {
		next, err := readCount(t.Context(), master)
		if err != nil {
			return err
		}
		if next.older(last) || next.count < last.count {
			t.Errorf("got count %d at %d-%d after count %d at %d-%d", next.count, next.term, next.seq, last.count, last.term, last.seq)
		}
		last = next
		return nil
	}
	kube.Eventually(t, 20*time.Second, read)
	for range 5 {
		for first, end := last, time.Now().Add(time.Minute); last.count < first.count+20; <-time.After(10 * time.Millisecond) {
			if err := read(); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(end) {
				t.Fatalf("the count was %d a minute ago, and is %d", first.count, last.count)
			}
		}
		master.Kill()
		if err := master.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// startCounting creates a pod in a namespace of the member, and counts up in an annotation that is a fact until the test
// ends.
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

// readCount reads the counting pod.
func readCount(ctx context.Context, m *stack.Master) (c counted, err error) {
	d, err := tryGetCluster(ctx, m, "/api/v1/clusters/counting/pods?namespace=counting")
	if err != nil {
		return c, err
	}
	if len(d.Pods) != 1 {
		return c, fmt.Errorf("got %d pods, want 1", len(d.Pods))
	}
	// Only tests may parse a resourceVersion, <term>.<epoch>-<seq>.
	term, revision, _ := strings.Cut(d.ResourceVersion, ".")
	_, seq, _ := strings.Cut(revision, "-")
	var errs [3]error
	c.term, errs[0] = strconv.ParseUint(term, 10, 64)
	c.seq, errs[1] = strconv.ParseUint(seq, 10, 64)
	c.count, errs[2] = strconv.Atoi(d.Pods[0].Mute)
	if err := errors.Join(errs[:]...); err != nil {
		return c, fmt.Errorf("parse version %s and count %q: %w", d.ResourceVersion, d.Pods[0].Mute, err)
	}
	return c, nil
}
