package view

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Report is what a master holds of one cluster after one report of its agent.
type Report struct {
	// Source is what the report was made of, a pointer: those of one Source are the same.
	// Nil where it does not matter.
	Source any
	// Cluster is the resolved name, also where a client asked by IP.
	Cluster string
	UID     string
	// ResourceVersion moves when objects, usage or section errors do.
	ResourceVersion string
	// ReceivedAt is the master's clock when the report was complete.
	ReceivedAt time.Time
	// TTL is for how long after ReceivedAt the report is an answer.
	TTL     time.Duration
	Session Session
	State   *state.State
	Summary state.Summary
}

// Session is the session that a report came by, or that a cluster has now.
type Session struct {
	ID string `json:"id,omitempty"`
	// Phase is Idle, Connecting, Reporting or Backoff.
	Phase     string    `json:"phase,omitempty"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Reason is why the agent cannot be reached, or what else is the matter with it, as
	// the condition Ready of its ClusterAgent has it; Message says it for people. Empty:
	// nothing is.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// ObservedAt is as of when all facts of the report are known to be true: the oldest
// of the sections that have data. Usage is left out, as each of its samples has a
// time of its own. Zero: no section has data.
func (r *Report) ObservedAt() time.Time {
	var oldest time.Time
	for name, s := range r.State.Sections {
		if state.SectionName(name) == state.SectionUsage || s.ObservedAt.IsZero() {
			continue
		}
		if oldest.IsZero() || s.ObservedAt.Before(oldest) {
			oldest = s.ObservedAt
		}
	}
	return oldest
}

// Stale says that a section was observed longer than the TTL before the report came,
// though reports come. Usage is read at a period of its own, which may be longer than
// the TTL, so it is stale only where reading it fails; where a part of it could be read
// ("Partial"), that part is fresh. A section that never had data shows no old data; its
// error tells of it.
func (r *Report) Stale() bool {
	for name, s := range r.State.Sections {
		usage := state.SectionName(name) == state.SectionUsage
		if s.ObservedAt.IsZero() || usage && (s.Error.Reason == "" || s.Error.Reason == "Partial") {
			continue
		}
		if r.ReceivedAt.Sub(s.ObservedAt) > r.TTL {
			return true
		}
	}
	return false
}

// Fresh says that the report is an answer at an instant.
func (r *Report) Fresh(now time.Time) bool { return now.Before(r.ReceivedAt.Add(r.TTL)) }

// same says that o is the very report that r is.
func (r *Report) same(o *Report) bool {
	return r.State == o.State && r.ReceivedAt.Equal(o.ReceivedAt) && r.ResourceVersion == o.ResourceVersion &&
		r.Session == o.Session && r.Cluster == o.Cluster && r.UID == o.UID && r.TTL == o.TTL
}

// instant is t as bodies show it: UTC, whole milliseconds.
func instant(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

func (s Session) shown() Session {
	s.StartedAt, s.ExpiresAt = instant(s.StartedAt), instant(s.ExpiresAt)
	return s
}
