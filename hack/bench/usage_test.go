package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/test/load"
)

// somePods returns a node and pods of two containers, one of which runs.
func somePods(count int) ([]corev1.Node, []corev1.Pod) {
	var pods []corev1.Pod
	for i := range count {
		pods = append(pods, corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("cart-%d", i)},
			Spec:       corev1.PodSpec{NodeName: "n1"},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
				{Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}, {Name: "done"},
			}},
		})
	}
	return []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}}, pods
}

func TestUsageIsServedAsMetricsServerDoes(t *testing.T) {
	nodes, pods := somePods(3)
	u, err := serveUsage(15*time.Second, nodes, pods)
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	for resource, want := range map[string]int{"nodes": 1, "pods": 3} {
		answer, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/apis/metrics.k8s.io/v1beta1/%s", u.port(), resource))
		if err != nil {
			t.Fatal(err)
		}
		var list struct{ Items []metricsItem }
		if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if len(list.Items) != want || list.Items[0].Timestamp.After(time.Now()) {
			t.Errorf("%s: %+v, want %d of the past", resource, list.Items, want)
		}
	}
}

func TestNanocoresAreTheMillicoresTheyWereMadeFrom(t *testing.T) {
	for _, used := range []load.Used{{CPUMillis: 1, MemoryBytes: 1 << 20}, {CPUMillis: 499, MemoryBytes: 1 << 30}} {
		a := amountsOf("shop/cart/app", used)
		cpu, memory := resource.MustParse(a.CPU), resource.MustParse(a.Memory)
		if cpu.MilliValue() != used.CPUMillis || memory.Value() != used.MemoryBytes {
			t.Errorf("%+v is written as %+v", used, a)
		}
		if again := amountsOf("shop/cart/app", used); again != a {
			t.Errorf("what stays is written as %+v and as %+v", a, again)
		}
	}
}

func TestRoundsAreServedWhenTheyAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, pods := somePods(2)
		u := &usageServer{began: time.Now(), sample: 15 * time.Second, usage: load.New(load.Storm, 1), round: -1}
		u.nodes, u.containers = metered(u.usage, nodes, pods)
		if u.containers != 2 {
			t.Errorf("%d containers run, want 2", u.containers)
		}
		for range 3 {
			if err := u.awaitRounds(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			n := u.roundAt(time.Now())
			if at := u.visited("n1", n); at.After(time.Now()) || time.Since(at) > u.sample {
				t.Errorf("round %d is served %s after the node was visited", n, time.Since(at))
			}
		}
		if bits := u.entropy(); bits <= 0 {
			t.Errorf("storm has %g bits a value", bits)
		}
		u.play(load.Still)
		if bits := u.entropy(); bits != 0 {
			t.Errorf("still has %g bits a value", bits)
		}
	})
}
