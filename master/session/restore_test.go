package session

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

func TestTimesFromTheStoreAreClamped(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	spec := Cluster{CacheTTL: 10 * time.Second, SessionDuration: 30 * time.Minute}
	for _, tc := range []struct {
		name      string
		got, want cache.Entry
	}{
		{
			"a session of now",
			cache.Entry{StartedAt: now.Add(-time.Minute), SessionExpiresAt: now.Add(29 * time.Minute), DemandUntil: now.Add(4 * time.Minute)},
			cache.Entry{StartedAt: now.Add(-time.Minute), SessionExpiresAt: now.Add(29 * time.Minute), DemandUntil: now.Add(4 * time.Minute)},
		},
		{
			"one that is wanted for years",
			cache.Entry{StartedAt: now.Add(time.Hour), SessionExpiresAt: now.AddDate(9, 0, 0), DemandUntil: now.AddDate(9, 0, 0)},
			cache.Entry{StartedAt: now, SessionExpiresAt: now.Add(30 * time.Minute), DemandUntil: now.Add(5 * time.Minute)},
		},
		{"none", cache.Entry{}, cache.Entry{}},
	} {
		if got := clampTimes(tc.got, spec, now); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}
