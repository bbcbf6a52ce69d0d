package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// cgroupFiles have the memory that the control group of this process may use, as version 2
// and version 1 of them show it in a container. A test changes them.
var cgroupFiles = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// memoryLimit returns how much memory this process may use, in bytes: by GOMEMLIMIT, else by
// its control group; 0: nobody says.
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
		// "max", or of version 1 a number near 2^63, is no limit.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && n < 1<<50 {
			return n
		}
	}
	return 0
}

// collectBelowLimit has the collector keep the heap below nine tenths of the control group's
// limit, unless GOMEMLIMIT says otherwise: by its own rule it would let garbage be there
// until the process is killed.
func collectBelowLimit() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := cgroupLimit(cgroupFiles); limit > 0 {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}
