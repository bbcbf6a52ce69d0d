package cache

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/master/report"
)

func TestReportIsRetainedLongerWithDemand(t *testing.T) {
	expires := time.Unix(1_800_000_000, 0)
	for demand, want := range map[time.Duration]time.Duration{
		-time.Hour: 0, 0: 0, 7 * time.Second: 7 * time.Second, ResumeWindow: ResumeWindow, time.Hour: ResumeWindow,
	} {
		r := &report.Report{ExpiresAt: expires, DemandUntil: expires.Add(demand)}
		if got := RetainUntil(r).Sub(expires); got != want {
			t.Errorf("demand until %s after expiry: got %s of retention, want %s", demand, got, want)
		}
	}
	if got := RetainUntil(&report.Report{ExpiresAt: expires}); !got.Equal(expires) {
		t.Errorf("without demand: retained until %s, want %s", got, expires)
	}
}
