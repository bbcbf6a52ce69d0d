package facts

import (
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

const (
	crashLoopBackOff = "CrashLoopBackOff"
	// initialBackOff is the kubelet's back-off after the first crash. It doubles with each crash up to a maximum, which is
	// defaultMaxBackOff unless it is configured (KEP-4603).
	initialBackOff    = 10 * time.Second
	defaultMaxBackOff = 5 * time.Minute
	// stableRunSeconds is the duration of a run that ends a crash loop.
	stableRunSeconds = state.Time(state.CrashLoopResetAfter / time.Second)
	// If the kubelet does not report a back-off, a container is in a crash loop if it has restarted minLoopRestarts times
	// and its last crash is at most maxCrashAge seconds ago.
	maxCrashAge     state.Time = 15 * 60
	minLoopRestarts            = 2
)

// crashes holds the known crashes of a pod's containers by container name.
type crashes map[string]crashSequence

// crashSequence describes crashes of one container without a stable run between them.
type crashSequence struct {
	// firstCrash is the time of the first known crash. restartsBefore is the number of restarts before the sequence.
	firstCrash     state.Time
	restartsBefore int32
}

// observe processes the status of a container and returns the time of the first crash of its crash loop, or 0 if it
// is not in one. looping reports whether it was in a loop before. notReadySince is since when it has not been
// working, or 0. A container that has restarted more than once without a stable run is in a loop even before the
// kubelet reports a back-off.
func (c crashes) observe(status *ContainerStatus, policy state.RestartPolicy, looping bool, notReadySince, createdAt, now state.Time) state.Time {
	if isDone(status, policy) || status.State == state.Running && status.StartedAt != 0 && now-status.StartedAt >= stableRunSeconds {
		delete(c, status.Name)
		return 0
	}
	ended, started := lastRun(status)
	sequence, known := c[status.Name]
	switch {
	case ended == 0: // no last run; a kubelet loses it when it restarts
	case started != 0 && ended-started >= stableRunSeconds:
		if !known || sequence.firstCrash != ended {
			sequence, looping = crashSequence{firstCrash: ended, restartsBefore: status.Restarts}, false
		}
	case !known:
		sequence.firstCrash = min(ended, now) - minLoopDuration(status, ended)
		if notReadySince != 0 && status.Restarts > 0 {
			sequence.firstCrash = min(sequence.firstCrash, notReadySince)
		}
		sequence.firstCrash = max(sequence.firstCrash, createdAt)
	}
	if sequence.firstCrash == 0 {
		return 0
	}
	c[status.Name] = sequence
	backsOff := status.State == state.Waiting && status.Reason == crashLoopBackOff
	restartedOften := status.Restarts-sequence.restartsBefore >= minLoopRestarts && ended != 0 && now-ended < maxCrashAge
	if looping || backsOff || restartedOften {
		return sequence.firstCrash
	}
	return 0
}

// isDone reports whether a container has terminated and will not be restarted.
func isDone(s *ContainerStatus, policy state.RestartPolicy) bool {
	return s.State == state.Terminated && (policy == state.RestartNever || policy == state.RestartOnFailure && s.ExitCode == 0)
}

// lastRun returns when the last finished run of a container ended and started, or 0 for an unknown time.
func lastRun(s *ContainerStatus) (ended, started state.Time) {
	switch {
	case s.State == state.Terminated:
		return s.FinishedAt, s.StartedAt
	case s.Last != nil:
		return s.Last.FinishedAt, s.LastStartedAt
	}
	return 0, 0
}

// minLoopDuration returns the minimum duration of a container's crash loop up to its last crash, given the current
// back-off and the number of restarts. Back-offs double from 10 s, so all back-offs before a back-off D took D - 10 s
// together. At the maximum, each back-off takes D. Restarts that the doubling does not explain therefore count as D
// each, up to maxCrashAge, because older restarts may belong to an earlier loop.
func minLoopDuration(s *ContainerStatus, ended state.Time) state.Time {
	current := currentBackOff(s, ended)
	var sum time.Duration
	left := int(s.Restarts) - 1
	next := initialBackOff
	for ; next < current-current/10 && left > 0; left-- {
		sum += next
		next *= 2
	}
	atMax := current > 0 && (current >= defaultMaxBackOff || current < next-next/10)
	for ; atMax && left > 0 && sum < time.Duration(maxCrashAge)*time.Second; left-- {
		sum += current
	}
	return state.Time(sum / time.Second)
}

// currentBackOff returns the kubelet's back-off after the last crash of a container. It is taken from the message
// ("back-off 2m40s restarting failed container=…"), or for a running container from the time between the crash and
// its start.
func currentBackOff(s *ContainerStatus, ended state.Time) time.Duration {
	if s.State == state.Running {
		return time.Duration(max(s.StartedAt-ended, 0)) * time.Second
	}
	rest, ok := strings.CutPrefix(s.Message, "back-off ")
	if !ok || s.Reason != crashLoopBackOff {
		return 0
	}
	duration, _, _ := strings.Cut(rest, " ")
	d, err := time.ParseDuration(duration)
	if err != nil {
		return 0
	}
	return d
}
