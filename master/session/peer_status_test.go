package session

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"
)

// sendStatuses sends the statuses of a master to the others.
func (p *testPeers) sendStatuses(ctx context.Context, from int) {
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-p.masters[from].sessions.PeerUpdates():
			status, ok := p.masters[from].sessions.OwnStatus(name)
			encoded, err := json.Marshal(status)
			var decoded PeerStatus
			if err == nil {
				err = json.Unmarshal(encoded, &decoded)
			}
			if err != nil {
				p.t.Error(err)
			}
			for i, m := range p.masters {
				if ok && i != from {
					m.sessions.SetPeerStatus(decoded)
				}
			}
		}
	}
}

// TestStatusOfTheOwnerReachesAllMasters: summaries, failures and their end.
func TestStatusOfTheOwnerReachesAllMasters(t *testing.T) {
	withPeers(t, 2, func(t *testing.T, p *testPeers) {
		a := p.addCluster("c", func(c *Cluster) { c.IdleRefresh = time.Minute })
		other := p.masters[1]
		other.advance(2 * time.Minute)
		owners, status := p.masters[0].sessions.Status("c"), other.wantReason("c", Succeeded)
		if status.Summary == nil || status.Summary.Nodes != owners.Summary.Nodes || status.UID != owners.UID || !status.ObservedAt.Equal(owners.ObservedAt) {
			t.Errorf("got the status %+v, want %+v", status, owners)
		}
		a.update(func() {
			a.admit = func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(http.StatusServiceUnavailable)
				return false
			}
		})
		start := time.Now()
		_, err := other.await("c", 10*time.Second)
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || time.Since(start) > 0 {
			t.Errorf("got %v after %s, want the failure of the owner", err, time.Since(start))
		}
		wantEqual(t, "dials of the other master", other.dials("c"), 0)
		want := p.masters[0].sessions.Status("c")
		if got := other.sessions.Status("c"); got.Reason != want.Reason || got.Message != want.Message || got.Session.Phase != Backoff {
			t.Errorf("got %s (%s) in %s, want %s (%s)", got.Reason, got.Message, got.Session.Phase, want.Reason, want.Message)
		}
		a.update(func() { a.admit = nil })
		other.advance(time.Minute)
		other.get("c")
		other.wantPhase("c", Reporting)
		other.wantReason("c", Succeeded)
		for _, m := range p.masters {
			m.sessions.RefreshPeers()
		}
		other.wantPhase("c", Reporting)
	})
}
