package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rollcall.dev/rollcall/test/load"
)

// Goals of an agent's memory, in bytes.
const (
	steadyGoal, peakGoal         = 40 << 20, 55 << 20
	manySteadyGoal, manyPeakGoal = 64 << 20, 96 << 20
	// memorySamples is the number of samples of the memory, taken over the last memoryWindow.
	memorySamples = 30
	memoryWindow  = time.Minute
)

// measureResident measures the memory of an agent whose session is old enough, and its API requests.
func measureResident(ctx context.Context, env *environment) ([]row, error) {
	p, s, err := env.sharedSession(ctx)
	if err != nil {
		return nil, err
	}
	p.usage.setLoad(load.Office)
	env.log("waiting until the session is %s old, which is in %s", env.sizes.resident, roundedSeconds(time.Until(s.startedAt.Add(env.sizes.resident))))
	steady, peak, err := env.waitResident(ctx, s.agent.PID(), s.startedAt)
	if err != nil {
		return nil, err
	}
	rows := []row{
		goalRow("resident.steady", fmt.Sprintf("agent resident, usage on, after %s, %s pods", env.sizes.resident, thousands(len(p.pods))), "≤ 40 MiB", steady <= steadyGoal, "%s", inMiB(steady)),
		goalRow("resident.peak", "its peak, start included", "≤ 55 MiB", peak <= peakGoal, "%s", inMiB(peak)),
	}
	requests, err := p.requestsRow(s.agent, s.startedAt)
	return append(rows, requests), err
}

// waitResident returns a process's memory in bytes when the session is old enough: the median over the
// end of that time, since the garbage collector makes it vary, and the peak.
func (env *environment) waitResident(ctx context.Context, pid int, startedAt time.Time) (steady, peak int64, err error) {
	end := startedAt.Add(env.sizes.resident)
	window := min(memoryWindow, env.sizes.resident/4)
	if err := sleep(ctx, time.Until(end.Add(-window))); err != nil {
		return 0, 0, err
	}
	var samples []int64
	for range memorySamples {
		t, err := readProcUsage(pid)
		if err != nil {
			return 0, 0, err
		}
		samples, peak = append(samples, t.rss), t.peak
		if err := sleep(ctx, window/memorySamples); err != nil {
			return 0, 0, err
		}
	}
	return median(samples), peak, nil
}

// requestsRow returns a row with the requests of an agent to its API server since a time,
// without watches and usage.
func (p *kwokCluster) requestsRow(a *agent, since time.Time) (row, error) {
	events, err := p.AuditFor(a.user, since)
	if err != nil {
		return row{}, err
	}
	watches, usage := 0, 0
	var others []string
	for _, e := range events {
		switch {
		case e.Group == "metrics.k8s.io":
			usage++
		case e.Verb == "watch":
			watches++
		case !slices.Contains(others, e.Verb+" "+e.URI):
			others = append(others, e.Verb+" "+e.URI)
		}
	}
	list := "no other"
	if len(others) > 0 {
		list = strings.Join(others, ", ")
	}
	return goalRow("resident.requests", "API requests of that agent since its session started, without usage", "only renewed watches", len(others) == 0,
		"%s; %d watch events, %d usage requests", list, watches, usage), nil
}
