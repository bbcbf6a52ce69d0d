package history_test

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// changes returns the changes from one state to the next.
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

// sample returns the usage of a state by key.
func sample(s *state.State) state.Reading {
	all := state.Reading{}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for e := range s.Entries(kind) {
			if used := s.Usage.Of(e.Slot); used != nil {
				all[e.Object.Key()] = *used
			}
		}
	}
	return all
}

// maxPods is the maximum number of pods after a change.
const maxPods = 10

// change makes one or two random changes to the cluster, and updates the agent.
func (s *harness) change() {
	before := s.cluster.State
	s.cluster.Step(1 + s.random.IntN(2))
	for s.cluster.State.Len(state.KindPod) > maxPods {
		s.cluster.Apply(state.Changes{Removes: s.randomPod()})
	}
	if s.agent != nil {
		s.updateAgent(func() { s.agent.snapshot.Update(changes(before, s.cluster.State)) })
		s.compareWithAgent()
	}
}

// randomPod returns the keys of a random pod and its containers.
func (s *harness) randomPod() (keys []state.Key) {
	skip := s.random.IntN(s.cluster.State.Len(state.KindPod))
	for p := range s.cluster.State.Pods() {
		if skip--; skip < 0 {
			keys = append(keys, p.Key())
			for c := range s.cluster.State.ContainersOf(p.Namespace, p.Name) {
				keys = append(keys, c.Key())
			}
			return keys
		}
	}
	return nil
}

// readUsage adds a reading of usage.
func (s *harness) readUsage() {
	s.cluster.Sample(state.TimeOf(time.Now()))
	if s.agent != nil {
		s.updateAgent(func() { s.agent.snapshot.SetUsage(sample(s.cluster.State)) })
		s.compareWithAgent()
	}
}

// toggleSection makes a section fail or recover.
func (s *harness) toggleSection() {
	i := s.random.IntN(len(s.sections))
	if s.sections[i].Reason == "" {
		s.sections[i] = state.SectionError{Reason: "Disconnected", Message: time.Now().String()}
	} else {
		s.sections[i] = state.SectionError{}
	}
	if s.agent != nil {
		s.updateAgent(func() {
			s.agent.snapshot.SetSection(state.SectionName(i), state.SectionStatus{Live: s.sections[i].Reason == "", ObservedAt: time.Now(), Error: s.sections[i]})
		})
	}
}
