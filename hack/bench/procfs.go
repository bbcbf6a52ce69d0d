package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of CPU times in /proc, the same on every Linux.
const ticksPerSecond = 100

// taken is what a process has taken of the machine so far.
type taken struct {
	at  time.Time
	cpu time.Duration // user and system
	// rss is resident now, peak what it was at most since the process began or
	// forgetPeak.
	rss, peak int64 // bytes
}

// takenBy reads what a process has taken.
func takenBy(pid int) (taken, error) {
	t := taken{at: time.Now()}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return t, fmt.Errorf("read the CPU time of a process: %w", err)
	}
	if t.cpu, err = cpuOf(string(stat)); err != nil {
		return t, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return t, fmt.Errorf("read the memory of a process: %w", err)
	}
	var errs [2]error
	t.rss, errs[0] = statusBytes(string(status), "VmRSS")
	t.peak, errs[1] = statusBytes(string(status), "VmHWM")
	return t, errors.Join(errs[:]...)
}

// share returns the fraction of one core that a process used since before.
func (t taken) share(before taken) float64 {
	return float64(t.cpu-before.cpu) / float64(t.at.Sub(before.at))
}

// cpuOf reads utime and stime, fields 14 and 15 of /proc/PID/stat. The second field is a
// name in brackets, with anything in it.
func cpuOf(stat string) (time.Duration, error) {
	_, rest, found := strings.Cut(stat[max(strings.LastIndexByte(stat, ')'), 0):], ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 13 {
		return 0, fmt.Errorf("parse /proc/PID/stat: it is %q", stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parse /proc/PID/stat: user time: %w", err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parse /proc/PID/stat: system time: %w", err)
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond, nil
}

// statusBytes reads a line such as «VmRSS: 1234 kB».
func statusBytes(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		value, found := strings.CutPrefix(line, name+":")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse /proc/PID/status: %s: %w", name, err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("parse /proc/PID/status: there is no %s", name)
}

// forgetPeak resets the peak of a process to its present resident memory.
func forgetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("begin the peak of a process anew: %w", err)
	}
	return nil
}
