package session

import (
	"testing"
	"time"
)

func TestTimesFromTheStoreAreLimited(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	spec := Cluster{CacheTTL: 10 * time.Second, SessionDuration: 30 * time.Minute}
	for _, tc := range []struct {
		name                                 string
		started, expires, demand             time.Time
		wantStarted, wantExpires, wantDemand time.Time
	}{
		{
			"a session of now", now.Add(-time.Minute), now.Add(29 * time.Minute), now.Add(4 * time.Minute),
			now.Add(-time.Minute), now.Add(29 * time.Minute), now.Add(4 * time.Minute),
		},
		{
			"one that is wanted for years", now.Add(time.Hour), now.AddDate(9, 0, 0), now.AddDate(9, 0, 0),
			now, now.Add(30 * time.Minute), now.Add(5 * time.Minute),
		},
		{name: "none"},
	} {
		stored := &Report{Cluster: "a", Term: 3, Session: Info{ID: "s", Phase: Reporting, Holder: "other", StartedAt: tc.started, ExpiresAt: tc.expires}, DemandUntil: tc.demand}
		got := restoredReport(stored, spec, now)
		want := Info{ID: "s", Phase: Idle, StartedAt: tc.wantStarted, ExpiresAt: tc.wantExpires}
		if got.Session != want || !got.DemandUntil.Equal(tc.wantDemand) || got.Term != 3 || !got.Stored {
			t.Errorf("%s: got %+v, want session %+v and demand until %s", tc.name, got, want, tc.wantDemand)
		}
		if stored.Session.Phase != Reporting || stored.Stored {
			t.Errorf("%s: the stored report was modified", tc.name)
		}
	}
}
