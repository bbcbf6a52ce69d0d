package main

import (
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
)

// scenarios has a function for each scenario, which returns its clusters.
var scenarios = map[string]func() []*cluster{
	"empty":     func() []*cluster { return nil },
	"fleet":     fleet,
	"thousands": thousands,
	"large":     large,
	"hostile":   hostileTexts,
	"broken":    broken,
}

// newCluster returns a cluster that reports usage and is idle.
func newCluster(name string, nodes, times int) *cluster {
	return &cluster{Registered: session.Registered{Name: name}, state: newClusterState(name, nodes, times), usage: true, info: session.Info{Phase: session.Idle}}
}

// observed sets the last report to some time ago, and returns the cluster.
func (c *cluster) observed(age time.Duration) *cluster {
	at := time.Now().Add(-age)
	if c.usage {
		c.state.sample()
	}
	sum := state.Summarize(c.state.State, at)
	c.known = session.LastKnown{Summary: &sum, ObservedAt: at}
	return c
}

// fleet returns clusters in many different states.
func fleet() []*cluster {
	eu := newCluster("prod-eu", 9, 1)
	eu.ClusterIPs = []string{"203.0.113.7"}
	eu.state.crash("ledger", 8*time.Minute)
	eu.state.addConflict()
	eu.state.addUnschedulable(12 * time.Minute)
	eu.state.setMemoryPressure(4)
	eu.state.addMissingConfigMap()
	eu.state.addMissingImage()
	eu.state.addCrashingInit()
	eu.state.addMuted()
	eu.state.addInfo()
	us := newCluster("prod-us", 12, 2)
	ap := newCluster("prod-ap", 6, 1)
	ap.state.loseNode(2)
	edge := newCluster("edge-oslo", 3, 1)
	edge.unreachable = "dial wss://10.20.0.7:7443: dial tcp 10.20.0.7:7443: connect: connection refused"
	staging := newCluster("staging", 4, 1)
	staging.usage = false
	staging.state.sections[state.SectionUsage] = state.SectionStatus{Error: state.SectionError{Reason: "Unavailable", Message: "metrics.k8s.io is not served: install metrics-server, or start the agent with --usage-source none"}}
	old := newCluster("legacy", 3, 1)
	old.Suspended = true
	lab := newCluster("lab", 3, 1)
	lab.neverReports = true
	qa := newCluster("qa", 3, 1)
	qa.state.cordon(1)
	qa.usage = false
	qa.state.sections[state.SectionUsage] = state.SectionStatus{Error: state.SectionError{Reason: "Pending", Message: "usage has not been read yet"}}
	return []*cluster{
		edge.observed(3 * time.Hour), lab, old.observed(40 * 24 * time.Hour), ap.observed(4 * time.Minute), eu.observed(2 * time.Minute), us.observed(time.Minute), qa.observed(3 * time.Minute), staging.observed(5 * time.Minute),
	}
}

// thousands returns 2,500 clusters, some of them unreachable, unhealthy or suspended.
func thousands() []*cluster {
	var all []*cluster
	for i := range 2500 {
		c := newCluster(fmt.Sprintf("edge-%04d", i), 3, 1)
		switch {
		case i%97 == 5:
			c.unreachable = "dial wss://10.20.0.7:7443: no answer within 10s"
		case i%83 == 7:
			c.state.crash("web", time.Hour)
		case i%211 == 9:
			c.Suspended = true
		}
		all = append(all, c.observed(time.Duration(i%300)*time.Second))
	}
	return all
}

// large returns one cluster with more than 10,000 containers.
func large() []*cluster {
	c := newCluster("large", 300, 240)
	c.state.crash("search-77", time.Hour)
	return []*cluster{c.observed(time.Minute)}
}

// broken returns one cluster with two nodes and more problems than a summary lists.
func broken() []*cluster {
	c := newCluster("broken", 2, 1)
	c.state.addCrashing(60)
	c.state.setMemoryPressure(1)
	return []*cluster{c.observed(time.Minute)}
}

// hostileTexts returns a cluster whose objects have hostile texts, and an unreachable one with a
// hostile message.
func hostileTexts() []*cluster {
	c := newCluster("hostile", 3, 1)
	c.state.addHostile()
	bad := newCluster("unreachable", 3, 1)
	bad.unreachable = hostile[1] + " " + hostile[6]
	return []*cluster{c.observed(time.Minute), bad}
}
