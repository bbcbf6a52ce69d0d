package history_test

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// changes are what leads from one state to the next.
func changes(prev, next *state.State) (c state.Changes) {
	state.EachChange(prev, next, func(before, after state.Object) {
		if after == nil {
			c.Removes = append(c.Removes, before.Key())
			return
		}
		c.Upserts = append(c.Upserts, after)
	})
	return c
}

// sample is a state's usage by key.
func sample(s *state.State) state.Sample {
	all := state.Sample{}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for e := range s.Entries(kind) {
			if used := s.Usage.Of(e.Slot); used != nil {
				all[e.Object.Key()] = *used
			}
		}
	}
	return all
}

// maxPods is about how many pods the cluster has.
const maxPods = 10

// change makes the cluster change.
func (s *stage) change() {
	before := s.world.State
	s.world.Step(1 + s.random.IntN(2))
	for s.world.State.Len(state.KindPod) > maxPods {
		s.world.Apply(state.Changes{Removes: s.somePod()})
	}
	if s.agent != nil {
		s.feed(func() { s.agent.snapshot.Update(changes(before, s.world.State)) })
		s.compare()
	}
}

// somePod are the keys of a pod and its containers.
func (s *stage) somePod() (keys []state.Key) {
	skip := s.random.IntN(s.world.State.Len(state.KindPod))
	for p := range s.world.State.Pods() {
		if skip--; skip < 0 {
			keys = append(keys, p.Key())
			for c := range s.world.State.ContainersOf(p.Namespace, p.Name) {
				keys = append(keys, c.Key())
			}
			return keys
		}
	}
	return nil
}

// readUsage is a reading of the cluster's usage.
func (s *stage) readUsage() {
	s.world.Sample(state.TimeOf(time.Now()))
	if s.agent != nil {
		s.feed(func() { s.agent.snapshot.SetUsage(sample(s.world.State)) })
		s.compare()
	}
}

// flipSection has a section's source fail, or recover.
func (s *stage) flipSection() {
	i := s.random.IntN(len(s.sections))
	if s.sections[i].Reason == "" {
		s.sections[i] = state.SectionError{Reason: "Disconnected", Message: time.Now().String()}
	} else {
		s.sections[i] = state.SectionError{}
	}
	if s.agent != nil {
		s.feed(func() {
			s.agent.snapshot.SetSection(state.SectionName(i), state.SectionReport{Live: s.sections[i].Reason == "", ObservedAt: time.Now(), Error: s.sections[i]})
		})
	}
}
