package facts

import (
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

const (
	crashLoopBackOff = "CrashLoopBackOff"
	// firstBackOff follows a first crash, as the kubelet has it; it doubles from
	// there up to a ceiling, by default of five minutes (KEP-4603 makes it settable).
	firstBackOff   = 10 * time.Second
	defaultCeiling = 5 * time.Minute
	// stableRun ends a crash loop, in seconds.
	stableRun = state.Time(state.CrashLoopResetAfter / time.Second)
	// recentCrash limits the age of a crash loop's last crash where the kubelet
	// does not say that it backs off, and loopRestarts how many restarts it takes then.
	recentCrash  state.Time = 15 * 60
	loopRestarts            = 2
)

// crashes holds what is known of the crashes of a pod's containers, by their names.
type crashes map[string]crashSeries

// crashSeries holds the crashes of one container without a stable run between them.
type crashSeries struct {
	// first is when the first known one was; restarts counts the container's
	// restarts before the series.
	first    state.Time
	restarts int32
}

// observe processes the status of a container and returns the first crash of its crash loop, or
// zero if it is not in one. looping reports whether it was in a loop before, and notReadySince
// since when it has not worked. A container that restarted more than once without a stable run
// is also in a loop, since the kubelet backs off late.
func (c crashes) observe(status *ContainerStatus, policy state.RestartPolicy, looping bool, notReadySince, createdAt, now state.Time) state.Time {
	if done(status, policy) || status.State == state.Running && status.StartedAt != 0 && now-status.StartedAt >= stableRun {
		delete(c, status.Name)
		return 0
	}
	ended, began := lastRun(status)
	series, known := c[status.Name]
	switch {
	case ended == 0: // a kubelet that was restarted may have forgotten the last run
	case began != 0 && ended-began >= stableRun:
		if !known || series.first != ended {
			series, looping = crashSeries{first: ended, restarts: status.Restarts}, false
		}
	case !known:
		series.first = min(ended, now) - loopedFor(status, ended)
		if notReadySince != 0 && status.Restarts > 0 {
			series.first = min(series.first, notReadySince)
		}
		series.first = max(series.first, createdAt)
	}
	if series.first == 0 {
		return 0
	}
	c[status.Name] = series
	backsOff := status.State == state.Waiting && status.Reason == crashLoopBackOff
	again := status.Restarts-series.restarts >= loopRestarts && ended != 0 && now-ended < recentCrash
	if looping || backsOff || again {
		return series.first
	}
	return 0
}

// done reports whether a container has ended for good.
func done(s *ContainerStatus, policy state.RestartPolicy) bool {
	return s.State == state.Terminated && (policy == state.RestartNever || policy == state.RestartOnFailure && s.ExitCode == 0)
}

// lastRun returns when the last run of a container that has ended did so, and when it
// began; zero where that is not told.
func lastRun(s *ContainerStatus) (ended, began state.Time) {
	switch {
	case s.State == state.Terminated:
		return s.FinishedAt, s.StartedAt
	case s.Last != nil:
		return s.Last.FinishedAt, s.LastStartedAt
	}
	return 0, 0
}

// loopedFor returns how long the crash loop of a container had lasted at its last crash
// at least, by the back-off before the present or next run and the number of restarts.
// Back-offs double from 10 s, so those before a back-off D took D - 10 s together. At a
// ceiling each of them takes D: restarts beyond the doubling ones count as that long, up
// to recentCrash, as older ones may belong to an earlier loop.
func loopedFor(s *ContainerStatus, ended state.Time) state.Time {
	present := backOff(s, ended)
	var sum time.Duration
	left := int(s.Restarts) - 1
	next := firstBackOff
	for ; next < present-present/10 && left > 0; left-- {
		sum += next
		next *= 2
	}
	atCeiling := present > 0 && (present >= defaultCeiling || present < next-next/10)
	for ; atCeiling && left > 0 && sum < time.Duration(recentCrash)*time.Second; left-- {
		sum += present
	}
	return state.Time(sum / time.Second)
}

// backOff returns for how long the kubelet holds a container back after its last crash:
// as its message says ("back-off 2m40s restarting failed container=…"), else by how long
// it took to the present run.
func backOff(s *ContainerStatus, ended state.Time) time.Duration {
	if s.State == state.Running {
		return time.Duration(max(s.StartedAt-ended, 0)) * time.Second
	}
	rest, ok := strings.CutPrefix(s.Message, "back-off ")
	if !ok || s.Reason != crashLoopBackOff {
		return 0
	}
	word, _, _ := strings.Cut(rest, " ")
	d, err := time.ParseDuration(word)
	if err != nil {
		return 0
	}
	return d
}
