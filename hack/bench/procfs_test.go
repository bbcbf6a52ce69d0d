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
		if got, err := cpuOf(name); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", name, got, err, want)
		}
	}
	for _, broken := range []string{"", "4242 (agent", "4242 (agent) S 1", "4242 (agent) S 1 2 3 4 5 6 7 8 9 10 x 25 0"} {
		if _, err := cpuOf(broken); err == nil {
			t.Errorf("%q is taken", broken)
		}
	}
}

func TestMemoryOfAStatus(t *testing.T) {
	const status = "Name:\tagent\nVmHWM:\t   2048 kB\nVmRSS:\t    1024 kB\nThreads:\t9\n"
	if got, err := statusBytes(status, "VmRSS"); err != nil || got != 1<<20 {
		t.Errorf("VmRSS is %d, %v", got, err)
	}
	if got, err := statusBytes(status, "VmHWM"); err != nil || got != 2<<20 {
		t.Errorf("VmHWM is %d, %v", got, err)
	}
	for _, name := range []string{"VmSwap", "Name"} {
		if _, err := statusBytes(status, name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestThisProcessTakesSomething(t *testing.T) {
	got, err := takenBy(os.Getpid())
	if err != nil || got.rss < 1<<20 || got.peak < got.rss {
		t.Errorf("%+v, %v", got, err)
	}
	later := got
	later.at, later.cpu = got.at.Add(10*time.Second), got.cpu+500*time.Millisecond
	if share := later.share(got); share != 0.05 {
		t.Errorf("0.5 s of 10 s are a share of %g", share)
	}
}

func TestMachineIsDescribed(t *testing.T) {
	got, err := machine()
	if err != nil || !strings.Contains(got, "cores") || !strings.Contains(got, "Linux") {
		t.Errorf("%q, %v", got, err)
	}
	if model := cpuModel("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"); model != "Some CPU @ 2 GHz" {
		t.Errorf("the CPU is %q", model)
	}
}
