package series

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// MaxGap is how long a sample is valid. It covers a reading each minute of which one fails.
const MaxGap = 150 * time.Second

// CPUTime is the CPU time of one node or container: the integral of its sampled rates. The zero value has no sample. It
// is small, since a History and a sink hold one for each series.
type CPUTime struct {
	// total is in millicore-seconds, or restart.
	total int64
	// last is the time of the last sample in Unix seconds. reportedAt is that time as the member reported it.
	last, reportedAt uint32
}

// restart is the total of a CPUTime whose next sample has 0.
const restart = -1

// StartAfter returns a CPUTime that accepts samples after a time in Unix seconds.
func StartAfter(at int64) CPUTime { return CPUTime{total: restart, last: uint32(at)} } //nolint:gosec // until the year 2106

// SampledAt returns the time of a sample in Unix seconds: that of the member's clock, or the time of receipt if the
// member's clock is ahead.
func SampledAt(used *state.Used, receivedAt time.Time) int64 {
	return min(int64(used.SampledAt), receivedAt.Unix())
}

// Add adds a sample with the time that SampledAt returns, and returns false if the sample is not new. It assumes that the
// rate was constant since the previous sample. The first sample has the total 0, as has one that is more than maxGap
// after the previous one; a maxGap of 0 allows any gap.
func (c *CPUTime) Add(used *state.Used, at int64, maxGap time.Duration) bool {
	gap := at - int64(c.last)
	if gap <= 0 || uint32(used.SampledAt) == c.reportedAt { //nolint:gosec // until the year 2106
		return false
	}
	if c.Running() && (maxGap == 0 || gap <= int64(maxGap/time.Second)) {
		c.total += max(used.CPUMillis, 0) * gap
	} else {
		c.total = 0
	}
	c.last, c.reportedAt = uint32(at), uint32(used.SampledAt) //nolint:gosec // until the year 2106
	return true
}

// Total returns the CPU time at the last sample, in millicore-seconds.
func (c *CPUTime) Total() int64 { return max(c.total, 0) }

// Last returns the time of the last sample in Unix seconds, 0 if there is none.
func (c *CPUTime) Last() int64 { return int64(c.last) }

// Running reports whether there is a sample since the series started or was stopped.
func (c *CPUTime) Running() bool { return c.last != 0 && c.total != restart }

// Stop makes the total of the next sample 0.
func (c *CPUTime) Stop() { c.total = restart }
