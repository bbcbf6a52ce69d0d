package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestCPUOfAProcessWithAnyName(t *testing.T) {
	for name, want := range map[string]time.Duration{
		"4242 (agent) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 8 0":      1750 * time.Millisecond,
		"4242 (a) b (c 1 2) R 1 2 3 4 5 6 7 8 9 10 100 0 0 0 20 0 8 0": time.Second,
	} {
		if got, err := parseCPUTime(name); err != nil || got != want {
			t.Errorf("%q: got %s, %v; want %s", name, got, err, want)
		}
	}
	for _, broken := range []string{"", "4242 (agent", "4242 (agent) S 1", "4242 (agent) S 1 2 3 4 5 6 7 8 9 10 x 25 0"} {
		if _, err := parseCPUTime(broken); err == nil {
			t.Errorf("%q: got no error", broken)
		}
	}
}

func TestStatusBytes(t *testing.T) {
	const status = "Name:\tagent\nVmHWM:\t   2048 kB\nVmRSS:\t    1024 kB\nThreads:\t9\n"
	if got, err := parseStatusBytes(status, "VmRSS"); err != nil || got != 1<<20 {
		t.Errorf("VmRSS: got %d, %v; want 1 MiB", got, err)
	}
	if got, err := parseStatusBytes(status, "VmHWM"); err != nil || got != 2<<20 {
		t.Errorf("VmHWM: got %d, %v; want 2 MiB", got, err)
	}
	for _, name := range []string{"VmSwap", "Name"} {
		if _, err := parseStatusBytes(status, name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v, want one that names it", name, err)
		}
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	got, err := readProcUsage(os.Getpid())
	if err != nil || got.rss < 1<<20 || got.peak < got.rss {
		t.Errorf("got %+v, %v; want at least 1 MiB and a peak at or above it", got, err)
	}
	later := got
	later.at, later.cpu = got.at.Add(10*time.Second), got.cpu+500*time.Millisecond
	if share := later.cpuShare(got); share != 0.05 {
		t.Errorf("0.5 s of 10 s: got a share of %g, want 0.05", share)
	}
}

func TestMachineIsDescribed(t *testing.T) {
	got, err := machine()
	if err != nil || !strings.Contains(got, "cores") || !strings.Contains(got, "Linux") {
		t.Errorf("got %q, %v; want cores and the version of Linux", got, err)
	}
	if model := cpuModel("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"); model != "Some CPU @ 2 GHz" {
		t.Errorf("got CPU model %q", model)
	}
}
