package master

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/keysecret"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/membership"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/redistest"
)

func TestMastersWithRedisAllServe(t *testing.T) {
	cluster, redis := hub(t), redistest.Start(t)
	startShared := func(name string) *testMaster {
		r := start(t, cluster, func(c *Config) { c.Cache, c.PodName = redis.URL(), name })
		r.waitForStatus("/readyz", http.StatusOK)
		return r
	}
	first, second := startShared("one"), startShared("two")
	for _, r := range []*testMaster{first, second} {
		r.waitForStatus("/api/v1/clusters", http.StatusOK)
		kube.Eventually(t, testTimeout, func() error { return r.sees(2) })
	}
	leases := cluster.Client().CoordinationV1().Leases(keysecret.DefaultNamespace)
	for _, name := range []string{"one", "two"} {
		if _, err := leases.Get(t.Context(), membership.LeasePrefix+name, metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	}
	first.shutdown()
	if err := second.sees(1); err != nil {
		t.Errorf("after the other master stopped: %v", err)
	}
	list, err := leases.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list.Items {
		if l.Name == membership.LeasePrefix+"one" {
			t.Error("the master that stopped left its Lease")
		}
	}
}

// sees returns an error unless the master sees a number of masters.
func (r *testMaster) sees(masters int) error {
	_, body := r.get("/metrics")
	want := fmt.Sprintf("rollcall_masters_alive %d\n", masters)
	if !strings.Contains(body, want) {
		return fmt.Errorf("want the metric %q", want)
	}
	return nil
}

func TestStatusIsTheSameAtOtherMasters(t *testing.T) {
	now := time.Now().Round(0).UTC()
	want := session.PeerStatus{SentAt: now, BackoffUntil: now.Add(time.Minute), Status: session.Status{
		Cluster: "prod-eu", Generation: 3, Ready: state.False, Reason: "Timeout", Message: "a message", UID: "uid", AgentVersion: "v1",
		Session: session.Info{ID: "id", Phase: session.Backoff, StartedAt: now}, ReceivedAt: now,
		LastKnown: session.LastKnown{Summary: &state.Summary{}, ObservedAt: now},
	}}
	payload, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got session.PeerStatus
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLinkThatIsGoneForAMomentCountsAsPresent(t *testing.T) {
	seen, now := map[string]time.Time{}, time.Now()
	for _, tc := range []struct {
		after  time.Duration
		linked []string
		want   []string
	}{
		{0, []string{"a", "b"}, []string{"a", "b"}},
		{linkGrace, []string{"b"}, []string{"a", "b"}},
		{linkGrace + 1, []string{"b"}, []string{"b"}},
		{2*linkGrace + 2, nil, nil},
	} {
		got := recentLinks(seen, tc.linked, now.Add(tc.after))
		slices.Sort(got)
		if !slices.Equal(got, tc.want) {
			t.Errorf("after %s: got %q, want %q", tc.after, got, tc.want)
		}
	}
}
