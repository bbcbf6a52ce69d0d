package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine returns one line about the machine that runs the benchmark.
func machine() (string, error) {
	cpu, cpuErr := os.ReadFile("/proc/cpuinfo")
	memory, memoryErr := os.ReadFile("/proc/meminfo")
	kernel, kernelErr := os.ReadFile("/proc/sys/kernel/osrelease")
	if err := errors.Join(cpuErr, memoryErr, kernelErr); err != nil {
		return "", fmt.Errorf("describe the machine: %w", err)
	}
	total, err := parseStatusBytes(string(memory), "MemTotal")
	if err != nil {
		return "", fmt.Errorf("describe the machine: %w", err)
	}
	return fmt.Sprintf("%s, %d cores, %.0f GiB of memory, Linux %s, %s",
		cpuModel(string(cpu)), runtime.NumCPU(), float64(total)/(1<<30), strings.TrimSpace(string(kernel)), runtime.Version()), nil
}

// cpuModel returns the model name in /proc/cpuinfo of x86, or "" on architectures without one.
func cpuModel(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH + " CPU"
}
