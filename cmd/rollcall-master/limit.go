package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// cgroupFiles are the files with the memory limit of the process's cgroup, of version 2 and 1.
// Tests replace them.
var cgroupFiles = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// memoryLimit returns the memory limit of the process in bytes: GOMEMLIMIT, else that of its cgroup;
// 0 if there is none.
func memoryLimit() int64 {
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 && os.Getenv("GOMEMLIMIT") != "" {
		return limit
	}
	return cgroupLimit(cgroupFiles)
}

func cgroupLimit(files []string) int64 {
	for _, file := range files {
		text, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			continue
		}
		// "max", or a number near 2^63 in version 1, means no limit.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && n < 1<<50 {
			return n
		}
	}
	return 0
}

// setMemoryLimit sets Go's memory limit to nine tenths of the cgroup's limit, unless GOMEMLIMIT is
// set. Otherwise garbage could grow until the process is killed.
func setMemoryLimit() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := cgroupLimit(cgroupFiles); limit > 0 {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}
