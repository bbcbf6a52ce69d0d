package session

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/cache"
)

// Value is what a cluster's last report said. It is never mutated.
type Report struct {
	Cluster, UID, KubernetesVersion, AgentVersion string
	// Term numbers the connection that brought it; see cache.Version.
	Term uint64
	// State is nil in a Peek at a Value that expired and was let go; Await never gives
	// such a one.
	State   *state.State
	Summary state.Summary
	// ObservedAt is until when the Summary is known to be true: the older of its
	// nodes' and its pods' times.
	ObservedAt time.Time
	// ReceivedAt is when the report came, on the master's clock.
	ReceivedAt time.Time
	// ExpiresAt is ReceivedAt and TTL.
	ExpiresAt time.Time
	TTL       time.Duration
	// Session is the session that brought it, as it then was.
	Session Info

	epoch, seq uint64
	// size is what the State takes in memory: see wire.Receiver.
	size int64
	// ignore is what the Summary mutes.
	ignore []state.Ignore
	// stored: it was another process's, and came out of the Store.
	stored bool
}

// Info tells of a session.
type Info struct {
	// ID names it in the logs of master and agent; empty: there was none yet.
	ID    string
	Phase Phase
	// Holder is the master process that has it.
	Holder string
	// StartedAt is when the agent granted it, ExpiresAt when it ends unless it is
	// renewed.
	StartedAt, ExpiresAt time.Time
}

// Fresh says that the value may be served at an instant.
func (v *Report) Fresh(now time.Time) bool { return v.State != nil && now.Before(v.ExpiresAt) }

// ResourceVersion is <term>.<epoch>-<seq>. It moves when objects, usage or section
// errors change, and is opaque to clients.
func (v *Report) ResourceVersion() string { return v.version().String() }

func (v *Report) version() cache.Version {
	if v.State != nil {
		return cache.Version{Term: v.Term, Epoch: v.State.Epoch, Seq: v.State.Seq}
	}
	return cache.Version{Term: v.Term, Epoch: v.epoch, Seq: v.seq}
}

// of puts a State and all that is derived from it into the value. What prev already
// has of the same objects is taken over: a Summary costs a walk over all of them.
func (v *Report) of(s *state.State, prev *Report, ignore []state.Ignore, now time.Time) {
	v.State, v.epoch, v.seq, v.ignore = s, s.Epoch, s.Seq, ignore
	v.ObservedAt = observedAt(s.Sections)
	if prev != nil && prev.State != nil && slices.Equal(prev.ignore, ignore) {
		v.Summary = state.Resummarize(prev.Summary, prev.State, s, now, ignore...)
		return
	}
	v.Summary = state.Summarize(s, now, ignore...)
}

// letGo is the value without its State.
func (v *Report) letGo() *Report {
	light := *v
	light.State, light.size = nil, 0
	return &light
}

// observedAt is until when what a summary tells is known to be true.
func observedAt(sections [state.NumSections]state.Section) time.Time {
	nodes, pods := sections[state.SectionNodes].ObservedAt, sections[state.SectionPods].ObservedAt
	if pods.Before(nodes) {
		return pods
	}
	return nodes
}
