package main

import "time"

// sizes holds the sizes of clusters and the durations of measurements.
type sizes struct {
	// nodes and pods are the size of the regular cluster; wide of its pods are
	// behind one NodePort.
	nodes, pods, wide int
	// fewNodes and fewPods are the first size of the irregular cluster, manyNodes and
	// manyPods its final size.
	fewNodes, fewPods, manyNodes, manyPods int

	// period is the time between two reports and between two polls, sample the time between two readings
	// of usage.
	period, sample time.Duration
	// readings is the number of usage readings that are measured for each load, polls that of polls.
	readings, polls int
	// window is the duration of measurements of CPU and of silence.
	window time.Duration
	// resident is the age of a session at which its agent's memory is measured.
	resident time.Duration
	// flips is the number of readiness flips, slow and fast the numbers of changes at each rate.
	flips, slow, fast int
	// misses is the number of cold requests of each encoding.
	misses int
	// refreshes is the number of summaries, refresh the time from one to the next.
	refreshes int
	refresh   time.Duration
	// cutTime is how long a connection is cut, cutChanges the number of changes meanwhile.
	cutTime    time.Duration
	cutChanges int
	// fleet is the number of simulated clusters, fleetContainers the number of containers in each.
	fleet, fleetContainers int
	// warmup is the time from the last connected cluster of the fleet to the measurement.
	warmup time.Duration
	// historyWarmup replaces warmup if the master keeps a history of 15 minutes.
	historyWarmup time.Duration
}

// full has the sizes of docs/BENCHMARKS.md.
var full = sizes{
	nodes: 25, pods: 5000, wide: 500, fewNodes: 25, fewPods: 5000, manyNodes: 5000, manyPods: 20000,
	period: 5 * time.Second, sample: 15 * time.Second, readings: 4, polls: 4, window: time.Minute, resident: 10 * time.Minute,
	flips: 20, slow: 60, fast: 1000, misses: 100, refreshes: 6, refresh: 5 * time.Second, cutTime: 10 * time.Second, cutChanges: 20,
	fleet: 1000, fleetContainers: 300, warmup: 30 * time.Second, historyWarmup: 16 * time.Minute,
}

// small has the sizes of -quick.
var small = sizes{
	nodes: 5, pods: 120, wide: 20, fewNodes: 5, fewPods: 100, manyNodes: 20, manyPods: 300,
	period: time.Second, sample: 2 * time.Second, readings: 1, polls: 1, window: 2 * time.Second, resident: 6 * time.Second,
	flips: 1, slow: 3, fast: 50, misses: 3, refreshes: 2, refresh: time.Second, cutTime: 2 * time.Second, cutChanges: 5,
	fleet: 20, fleetContainers: 30, warmup: 2 * time.Second, historyWarmup: 20 * time.Second,
}
