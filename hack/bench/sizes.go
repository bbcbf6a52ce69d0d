package main

import "time"

// sizes are how much there is of everything, and for how long it is looked at.
type sizes struct {
	// nodes and pods are those of the cluster that kwok plays; of its pods, wide are
	// behind one NodePort.
	nodes, pods, wide int
	// fewNodes and fewPods are those of the irregular cluster at first, manyNodes and
	// manyPods in the end.
	fewNodes, fewPods, manyNodes, manyPods int

	// period is between two reports and between two polls, sample between two readings
	// of usage.
	period, sample time.Duration
	// readings of usage and polls that are looked at for each load.
	readings, polls int
	// window is for how long CPU, and whatever shall not happen, is looked at.
	window time.Duration
	// resident is how old a session is when its agent's memory is looked at.
	resident time.Duration
	// flips of a pod, slow and fast changes a second.
	flips, slow, fast int
	misses            int
	// refreshes of a summary, one each refresh.
	refreshes int
	refresh   time.Duration
	// cut is how long a connection is gone, with so many changes meanwhile.
	cut        time.Duration
	cutChanges int
	// fleet and fleetContainers are the simulated clusters.
	fleet, fleetContainers int
	// warm is how long a master has had all of them when it is looked at.
	warm time.Duration
	// history is the same where it keeps its last 15 minutes.
	history time.Duration
}

var full = sizes{
	nodes: 25, pods: 5000, wide: 500, fewNodes: 25, fewPods: 5000, manyNodes: 5000, manyPods: 20000,
	period: 5 * time.Second, sample: 15 * time.Second, readings: 4, polls: 4, window: time.Minute, resident: 10 * time.Minute,
	flips: 20, slow: 60, fast: 1000, misses: 100, refreshes: 6, refresh: 5 * time.Second, cut: 10 * time.Second, cutChanges: 20,
	fleet: 1000, fleetContainers: 300, warm: 30 * time.Second, history: 16 * time.Minute,
}

var small = sizes{
	nodes: 5, pods: 120, wide: 20, fewNodes: 5, fewPods: 100, manyNodes: 20, manyPods: 300,
	period: time.Second, sample: 2 * time.Second, readings: 1, polls: 1, window: 2 * time.Second, resident: 6 * time.Second,
	flips: 1, slow: 3, fast: 50, misses: 3, refreshes: 2, refresh: time.Second, cut: 2 * time.Second, cutChanges: 5,
	fleet: 20, fleetContainers: 30, warm: 2 * time.Second, history: 20 * time.Second,
}
