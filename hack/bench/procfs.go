package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of CPU times in /proc (USER_HZ), which is 100 on all Linux systems.
const ticksPerSecond = 100

// procUsage is the resource usage of a process at a time.
type procUsage struct {
	at  time.Time
	cpu time.Duration // user and system
	// rss is the resident memory, peak its maximum since the process started or resetPeak was
	// called.
	rss, peak int64 // bytes
}

// readProcUsage reads the resource usage of a process from /proc.
func readProcUsage(pid int) (procUsage, error) {
	t := procUsage{at: time.Now()}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return t, fmt.Errorf("read the CPU time of a process: %w", err)
	}
	if t.cpu, err = parseCPUTime(string(stat)); err != nil {
		return t, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return t, fmt.Errorf("read the memory of a process: %w", err)
	}
	var errs [2]error
	t.rss, errs[0] = parseStatusBytes(string(status), "VmRSS")
	t.peak, errs[1] = parseStatusBytes(string(status), "VmHWM")
	return t, errors.Join(errs[:]...)
}

// cpuShare returns the fraction of one core that a process used since before.
func (t procUsage) cpuShare(before procUsage) float64 {
	return float64(t.cpu-before.cpu) / float64(t.at.Sub(before.at))
}

// parseCPUTime returns the sum of utime and stime, fields 14 and 15 of /proc/PID/stat. The second field is the
// program's name in parentheses and can contain any character.
func parseCPUTime(stat string) (time.Duration, error) {
	_, rest, found := strings.Cut(stat[max(strings.LastIndexByte(stat, ')'), 0):], ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 13 {
		return 0, fmt.Errorf("parse /proc/PID/stat: unexpected format %q", stat)
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

// parseStatusBytes returns the bytes of a line such as "VmRSS: 1234 kB".
func parseStatusBytes(status, name string) (int64, error) {
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
	return 0, fmt.Errorf("parse /proc/PID/status: no line %s", name)
}

// resetPeak resets the peak of a process to its present resident memory.
func resetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("reset the peak memory of a process: %w", err)
	}
	return nil
}
