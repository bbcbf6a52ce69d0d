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
	// memoryLooks are taken over the last memoryWindow.
	memoryLooks  = 30
	memoryWindow = time.Minute
)

// measureResident looks at the memory of an agent whose session is old enough.
func measureResident(ctx context.Context, w *world) ([]row, error) {
	p, s, err := w.sharedSession(ctx)
	if err != nil {
		return nil, err
	}
	p.usage.play(load.Office)
	w.say("waiting until the session is %s old, which is in %s", w.sizes.resident, roughly(time.Until(s.began.Add(w.sizes.resident))))
	steady, peak, err := w.residentAt(ctx, s.agent.PID(), s.began)
	if err != nil {
		return nil, err
	}
	rows := []row{
		goal("resident.steady", fmt.Sprintf("agent resident, usage on, after %s, %s pods", w.sizes.resident, thousands(len(p.pods))), "≤ 40 MiB", steady <= steadyGoal, "%s", inMiB(steady)),
		goal("resident.peak", "at its peak, the start included", "≤ 55 MiB", peak <= peakGoal, "%s", inMiB(peak)),
	}
	requests, err := p.requestsOf(s.agent, s.began)
	return append(rows, requests), err
}

// residentAt returns a process's memory when the session is old enough: the median over the
// last part of that time, since the garbage collector makes it vary.
func (w *world) residentAt(ctx context.Context, pid int, began time.Time) (steady, peak int64, err error) {
	end := began.Add(w.sizes.resident)
	window := min(memoryWindow, w.sizes.resident/4)
	if err := sleep(ctx, time.Until(end.Add(-window))); err != nil {
		return 0, 0, err
	}
	var seen []int64
	for range memoryLooks {
		t, err := takenBy(pid)
		if err != nil {
			return 0, 0, err
		}
		seen, peak = append(seen, t.rss), t.peak
		if err := sleep(ctx, window/memoryLooks); err != nil {
			return 0, 0, err
		}
	}
	return median(seen), peak, nil
}

// requestsOf returns a row with the requests of an agent to its API server since a time,
// without watches and usage.
func (p *played) requestsOf(a *agent, since time.Time) (row, error) {
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
	return goal("resident.requests", "API requests of that agent since its session began, usage apart", "none but watches renewing", len(others) == 0,
		"%s; %d events of watches, %d requests of usage", list, watches, usage), nil
}
