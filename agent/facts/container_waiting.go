package facts

import (
	"cmp"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

const (
	crashLoop = "CrashLoopBackOff"
	// firstBackOff is the kubelet's first back-off after a crash; it doubles from
	// there up to five minutes.
	firstBackOff = 10 * time.Second
)

// waitingSince is the best that the API tells of how long a waiting container has
// kept its pod from being ready; it gives no time of its own for Waiting.
//
// ContainersReady=False tells it for a container that never starts. A crash loop
// is older than that condition: a container without a readiness probe counts as
// ready during each short run, which moves the condition's time to the latest
// crash, so by the condition alone no crash loop would ever be old. But its
// message tells the present back-off D. Back-offs double from 10 s, so those
// before it took D - 10 s together, and the loop is at least that much older than
// the container's last end. (At the ceiling of five minutes, or where the kubelet
// starts lower, they took longer: it is a lower bound.)
func waitingSince(pod *PodInput, c *state.Container) state.Time {
	var ended state.Time
	if c.Last != nil {
		ended = c.Last.FinishedAt
	}
	since := cmp.Or(notReadySince(pod.ContainersReady), ended, pod.CreatedAt)
	if c.Reason == crashLoop && ended != 0 {
		since = min(since, ended-loopedFor(c.Message))
	}
	return max(since, pod.CreatedAt)
}

func notReadySince(containersReady Condition) state.Time {
	if containersReady.Status != state.False {
		return 0
	}
	return containersReady.Since
}

// loopedFor is how many seconds a crash loop took up to the last crash at least,
// by the kubelet's message: "back-off 2m40s restarting failed container=…".
func loopedFor(message string) state.Time {
	rest, ok := strings.CutPrefix(message, "back-off ")
	if !ok {
		return 0
	}
	word, _, _ := strings.Cut(rest, " ")
	backOff, err := time.ParseDuration(word)
	if err != nil {
		return 0
	}
	return state.Time(max(backOff-firstBackOff, 0) / time.Second)
}
