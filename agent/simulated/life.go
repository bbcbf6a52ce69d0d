package simulated

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Time between two changes of a cluster that lives.
const (
	minChangePeriod = 3 * time.Second
	maxChangePeriod = 12 * time.Second
)

// life changes a cluster over time: pods are replaced and restart, some crash for a while, and nodes are lost and
// come back.
type life struct {
	cluster *Cluster
	random  *rand.Rand
	// healAt has the time at which a trouble of the life ends, by the index of its pod or node.
	healPods, healNodes map[int]state.Time
}

// Live changes the cluster until ctx ends, and calls update with each change. Which changes follow each other depends
// on random only.
func (c *Cluster) Live(ctx context.Context, random *rand.Rand, update func(state.Changes)) {
	l := &life{cluster: c, random: random, healPods: map[int]state.Time{}, healNodes: map[int]state.Time{}}
	timer := time.NewTimer(l.pause())
	defer timer.Stop()
	for {
		select {
		case now := <-timer.C:
			timer.Reset(l.pause())
			update(l.step(state.TimeOf(now)))
		case <-ctx.Done():
			return
		}
	}
}

// pause returns a random time until the next change.
func (l *life) pause() time.Duration {
	return minChangePeriod + time.Duration(l.random.Int64N(int64(maxChangePeriod-minChangePeriod)))
}

// step ends the troubles that are over at a time, makes one change, and returns both.
func (l *life) step(now state.Time) state.Changes {
	l.cluster.mu.Lock()
	defer l.cluster.mu.Unlock()
	changes := l.heal(now)
	i := l.cluster.healthyPod(l.random)
	switch dice := l.random.IntN(100); {
	case l.cluster.pods[i].NotReadySince != 0:
		// There is no healthy pod.
	case dice < 60:
		l.replacePod(&changes, i, now)
		l.healPods[i] = now + state.Time(2+l.random.IntN(8))
	case dice < 80:
		changes.Upserts = append(changes.Upserts, l.cluster.editPod(i, crashLoop(now, now))...)
		l.healPods[i] = now + state.Time(5+l.random.IntN(20))
	case dice < 87:
		changes.Upserts = append(changes.Upserts, l.cluster.editPod(i, crashLoop(now, now))...)
		l.healPods[i] = now + state.Time(120+l.random.IntN(300))
	case dice < 90 && len(l.cluster.nodes) > 3 && len(l.healNodes) == 0:
		if n := l.random.IntN(len(l.cluster.nodes)); l.cluster.nodes[n].Ready == state.True {
			changes.Upserts = append(changes.Upserts, l.cluster.loseNode(n, now)...)
			l.healNodes[n] = now + state.Time(60+l.random.IntN(60))
		}
	}
	return changes
}

// heal ends the troubles that are over.
func (l *life) heal(now state.Time) (changes state.Changes) {
	for i := range l.cluster.pods {
		if at, ok := l.healPods[i]; ok && at <= now {
			delete(l.healPods, i)
			changes.Upserts = append(changes.Upserts, l.cluster.editPod(i, running(now))...)
		}
	}
	for i := range l.cluster.nodes {
		if at, ok := l.healNodes[i]; ok && at <= now {
			delete(l.healNodes, i)
			changes.Upserts = append(changes.Upserts, l.cluster.restoreNode(i, now)...)
		}
	}
	return changes
}

// replacePod replaces the i-th pod by one that is starting on the same node.
func (l *life) replacePod(changes *state.Changes, i int, now state.Time) {
	c, old := l.cluster, l.cluster.pods[i]
	name := fmt.Sprintf("%s-%05x", old.Controller.Name, l.random.Uint64N(1<<20))
	next, owned := c.newPod(l.random, old.app, name, old.Node, now, old.app.Containers[:old.numOwned])
	next.first = old.first
	for k := range owned {
		changes.Removes = append(changes.Removes, c.containers[old.first+k].Key())
	}
	changes.Removes = append(changes.Removes, old.Key())
	if old.target != nil {
		changes.Removes = append(changes.Removes, old.target.Key())
	}
	// The old pod may have been healed in the same step.
	changes.Upserts = slices.DeleteFunc(changes.Upserts, func(o state.Object) bool { return slices.Contains(changes.Removes, o.Key()) })
	if next.target != nil {
		changes.Upserts = append(changes.Upserts, next.target)
	}
	for k, container := range owned {
		c.containers[old.first+k] = container
		changes.Upserts = append(changes.Upserts, container)
	}
	c.pods[i] = next
	changes.Upserts = append(changes.Upserts, c.editPod(i, starting(now))...)
}
