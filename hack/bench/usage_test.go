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

// somePods returns a node and pods with two containers, the first of which is running.
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
		response, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/apis/metrics.k8s.io/v1beta1/%s", u.port(), resource))
		if err != nil {
			t.Fatal(err)
		}
		var list struct{ Items []metricsItem }
		if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if len(list.Items) != want || list.Items[0].Timestamp.After(time.Now()) {
			t.Errorf("%s: got %+v, want %d items that are not in the future", resource, list.Items, want)
		}
	}
}

func TestNanocoresRoundUpToTheOriginalMillicores(t *testing.T) {
	for _, used := range []load.Used{{CPUMillis: 1, MemoryBytes: 1 << 20}, {CPUMillis: 499, MemoryBytes: 1 << 30}} {
		a := amountsOf("shop/cart/app", used)
		cpu, memory := resource.MustParse(a.CPU), resource.MustParse(a.Memory)
		if cpu.MilliValue() != used.CPUMillis || memory.Value() != used.MemoryBytes {
			t.Errorf("%+v: got %+v", used, a)
		}
		if again := amountsOf("shop/cart/app", used); again != a {
			t.Errorf("unchanged usage: got %+v, then %+v", a, again)
		}
	}
}

func TestRoundsAreServedWhenComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, pods := somePods(2)
		u := &usageServer{startedAt: time.Now(), sample: 15 * time.Second, usage: load.New(load.Storm, 1), round: -1}
		u.nodes, u.containers = metered(u.usage, nodes, pods)
		if u.containers != 2 {
			t.Errorf("got %d running containers, want 2", u.containers)
		}
		for range 3 {
			if err := u.waitRounds(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			n := u.roundAt(time.Now())
			if at := u.scrapedAt("n1", n); at.After(time.Now()) || time.Since(at) > u.sample {
				t.Errorf("round %d is served %s after its scrape, want at most one sample", n, time.Since(at))
			}
		}
		if bits := u.entropy(); bits <= 0 {
			t.Errorf("storm: got %g bits a value, want more than 0", bits)
		}
		u.setLoad(load.Still)
		if bits := u.entropy(); bits != 0 {
			t.Errorf("still: got %g bits a value, want 0", bits)
		}
	})
}
