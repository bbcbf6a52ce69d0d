package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"rollcall.dev/rollcall/master"
)

// limitedTo sets the memory limit of the cgroup for a test.
func limitedTo(t *testing.T, text string) {
	file := filepath.Join(t.TempDir(), "memory.max")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := cgroupFiles
	cgroupFiles = []string{filepath.Join(t.TempDir(), "none"), file}
	t.Cleanup(func() { cgroupFiles = before })
}

func TestStateMaxMemoryDefault(t *testing.T) {
	for text, want := range map[string]int64{
		"2147483648\n": 512 << 20, "max\n": master.Default().StateMaxMemory, "9223372036854771712\n": master.Default().StateMaxMemory, "": master.Default().StateMaxMemory,
	} {
		limitedTo(t, text)
		got, err := parse(nil, &bytes.Buffer{})
		if err != nil || got.StateMaxMemory != want {
			t.Errorf("a limit of %q gives %d, %v, want %d", text, got.StateMaxMemory, err, want)
		}
		got, err = parse([]string{"--state-max-memory", "0"}, &bytes.Buffer{})
		if err != nil || got.StateMaxMemory != 0 {
			t.Errorf("a flag gives %d, %v", got.StateMaxMemory, err)
		}
	}
}
