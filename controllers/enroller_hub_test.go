package controllers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// enroller returns an Enroller of a running master, which accepts the service account token "good" for the audience
// "rollcall:hub:NAME".
func (m *master) enroller(t *testing.T, notify func(LinkEvent)) *Enroller {
	t.Helper()
	e, err := NewEnroller(m.manager, m.registry, func(_ context.Context, token string, a v1alpha1.ServiceAccountIdentity) error {
		if token != "good" || !strings.HasPrefix(a.Audience, "rollcall:hub:") {
			return errors.New("it is not good")
		}
		return nil
	}, func(cluster string) string { return "rollcall:hub:" + cluster }, notify, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func fingerprintOf(i int) string { return fmt.Sprintf("%064x", i) }

// TestMastersRaceToEnroll lets several agents use one join token at several masters at the same time, while the status is
// written by others. One agent is enrolled, and each master accepts it at once.
func TestMastersRaceToEnroll(t *testing.T) {
	h := newHub(t)
	rights := h.masterConfig(t)
	first, second := startMaster(t, rights), startMaster(t, rights)
	var events sync.Map
	enrollers := []*Enroller{first.enroller(t, func(e LinkEvent) { events.Store(e.Message, e) }), second.enroller(t, func(e LinkEvent) { events.Store(e.Message, e) })}
	agent := h.apply(t, &v1alpha1.ClusterAgent{ObjectMeta: metav1.ObjectMeta{Name: "race"}, Spec: v1alpha1.ClusterAgentSpec{
		Connection: v1alpha1.Reverse, Join: &v1alpha1.JoinSpec{KeySHA256: joinKey, ExpiresAt: metav1.NewTime(time.Now().Add(time.Minute))},
	}})
	h.awaitLinkStatus(t, agent.Name)
	results := make([]*link.Refused, 16)
	var running sync.WaitGroup
	for i := range results {
		running.Go(func() {
			// Two agents of each key, one at each master.
			c := link.Candidate{Cluster: agent.Name, Key: fingerprintOf(i / 2), JoinKey: joinKey}
			results[i] = enrollers[i%2].Enroll(t.Context(), c)
			if keys, _ := enrollers[i%2].registry.agent(agent.Name); results[i] == nil && !slices.Contains(acceptedKeys(keys), c.Key) {
				t.Error("the master does not accept the key that it has enrolled")
			}
		})
	}
	running.Wait()
	stored := &v1alpha1.ClusterAgent{}
	if err := h.client.Get(t.Context(), client.ObjectKeyFromObject(agent), stored); err != nil {
		t.Fatal(err)
	}
	if len(stored.Status.Identity.Keys) != 1 {
		t.Fatalf("got %+v, want one key", stored.Status.Identity)
	}
	winner := stored.Status.Identity.Keys[0].SHA256
	for i, refused := range results {
		switch won := fingerprintOf(i/2) == winner; {
		case won && refused != nil:
			t.Errorf("the enrolled agent was refused: %v", refused)
		case !won && (refused == nil || !strings.Contains(refused.Message, "by another agent: the SHA-256 of its key is "+winner)):
			t.Errorf("another agent: got %v, want that the token was used by %s", refused, winner)
		}
	}
	count := 0
	events.Range(func(_, _ any) bool { count++; return true })
	if count != 1 {
		t.Errorf("got %d Events, want one", count)
	}
}

// awaitLinkStatus waits until the leader has written the status of a ClusterAgent whose agent dials the master.
func (h *hub) awaitLinkStatus(t *testing.T, name string) {
	t.Helper()
	await(t, h, name, &v1alpha1.ClusterAgentList{}, func(a *v1alpha1.ClusterAgent) bool { return len(a.Status.Conditions) == 4 }, func() string { return "it has no status" })
}

// TestEnrolledKeysAreSyncedAndRevoked enrolls a key by a service account, rotates it, and removes it. Sessions see each
// change within a second.
func TestEnrolledKeysAreSyncedAndRevoked(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	e := m.enroller(t, func(LinkEvent) {})
	agent := h.apply(t, &v1alpha1.ClusterAgent{ObjectMeta: metav1.ObjectMeta{Name: "account"}, Spec: v1alpha1.ClusterAgentSpec{
		Connection: v1alpha1.Reverse, Identity: v1alpha1.IdentitySpec{ServiceAccount: &v1alpha1.ServiceAccountIdentity{Issuer: "https://issuer.example"}},
	}})
	h.awaitLinkStatus(t, agent.Name)
	if refused := e.Enroll(t.Context(), link.Candidate{Cluster: agent.Name, Key: keyA, ServiceAccountToken: "bad"}); refused == nil || !strings.Contains(refused.Message, "it is not good") {
		t.Errorf("a bad token: got %v", refused)
	}
	for _, c := range []link.Candidate{{Key: keyA, ServiceAccountToken: "good"}, {Key: keyA, NextKey: keyB}, {Key: keyB}} {
		c.Cluster = agent.Name
		if refused := e.Enroll(t.Context(), c); refused != nil {
			t.Fatal(refused)
		}
	}
	m.wantKeys(t, agent.Name, keyB)
	if name, err := m.registry.ClusterOfKey(keyA); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the previous key belongs to %q (%v)", name, err)
	}
	// The command of docs/JOIN.md.
	h.kubectl(t, "patch", "clusteragent", agent.Name, "--subresource=status", "--type=merge", "-p", `{"status":{"identity":{"keys":null}}}`)
	revoked := time.Now()
	m.wantKeys(t, agent.Name)
	if took := time.Since(revoked); took > time.Second {
		t.Errorf("sessions were notified after %s, want a second at most", took)
	}
}

// wantKeys waits until Sync was called with the accepted keys of a cluster.
func (m *master) wantKeys(t *testing.T, name string, keys ...string) {
	t.Helper()
	var got []string
	for range 100 {
		m.mu.Lock()
		if all := m.synced[name]; len(all) > 0 && all[len(all)-1] != nil {
			got = all[len(all)-1].TLS.PinnedSHA256
		}
		m.mu.Unlock()
		if slices.Equal(got, keys) {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Fatalf("sessions know the keys %v, want %v", got, keys)
}
