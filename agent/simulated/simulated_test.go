package simulated

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"rollcall.dev/rollcall/api/state"
)

const now state.Time = 1_795_000_000

// build returns the first cluster of a fleet.
func build(seed uint64) (*Cluster, *rand.Rand) {
	random := rand.New(rand.NewPCG(seed, 1))
	return Fleet(1, seed)[0].Build(random, now), random
}

func TestSameSeedGivesTheSameClustersAndChanges(t *testing.T) {
	history := func(seed uint64) []any {
		c, random := build(seed)
		l := &life{cluster: c, random: random, healPods: map[int]state.Time{}, healNodes: map[int]state.Time{}}
		all := []any{c.Objects()}
		for i := range 50 {
			all = append(all, l.step(now+state.Time(i)*5))
		}
		return all
	}
	if !reflect.DeepEqual(history(1), history(1)) {
		t.Error("got two histories for one seed")
	}
	if reflect.DeepEqual(history(1), history(2)) {
		t.Error("got the same history for two seeds")
	}
	if len(Fleet(40, 1)) != 40 || !reflect.DeepEqual(Fleet(40, 1), Fleet(40, 1)) {
		t.Error("a fleet does not depend on its size and seed only")
	}
}

func TestChangesLeadFromOneStateToTheNext(t *testing.T) {
	c, random := build(1)
	l := &life{cluster: c, random: random, healPods: map[int]state.Time{}, healNodes: map[int]state.Time{}}
	shown := map[state.Key]state.Object{}
	for _, o := range c.Objects() {
		shown[o.Key()] = o
	}
	pods := len(c.pods)
	for i := range 500 {
		changes := l.step(now + state.Time(i)*7)
		for _, key := range changes.Removes {
			delete(shown, key)
		}
		for _, o := range changes.Upserts {
			shown[o.Key()] = o
		}
		want := map[state.Key]state.Object{}
		for _, o := range c.Objects() {
			want[o.Key()] = o
		}
		if !reflect.DeepEqual(shown, want) {
			t.Fatalf("step %d: the changes do not lead to the objects of the cluster", i)
		}
	}
	if len(c.pods) != pods {
		t.Errorf("got %d pods, want %d as at the start", len(c.pods), pods)
	}
}

func TestUsageIsAShareOfTheRequests(t *testing.T) {
	c, _ := build(1)
	for key, used := range c.Reading(Waves(1), 7, now.Time()) {
		if key.Kind == state.KindContainer && (used.CPUMillis < 0 || used.MemoryBytes <= 0) {
			t.Errorf("%v: got %+v", key, used)
		}
	}
}
