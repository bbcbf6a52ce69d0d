// Package cmd tests what all programs have in common.
package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestVersionFlag builds all programs as hack/build.sh does.
func TestVersionFlag(t *testing.T) {
	dir := t.TempDir()
	run(t, "..", "hack/build.sh", dir)
	text, err := os.ReadFile("../VERSION")
	if err != nil {
		t.Fatal(err)
	}
	version, commit := strings.TrimSpace(string(text)), run(t, "..", "git", "rev-parse", "HEAD")
	programs := map[string]string{}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			programs[e.Name()] = version
		}
	}
	if len(programs) < 3 {
		t.Fatalf("only %v are under cmd", programs)
	}
	run(t, "..", "go", "build", "-o", dir, "./hack/fleet")
	programs["fleet"] = "" // it is not released, so it has no version of its own
	for name, version := range programs {
		text := run(t, dir, filepath.Join(dir, name), "--version")
		if version != "" && !strings.Contains(text, "commit:     "+commit) {
			t.Errorf("%s --version has no commit %s:\n%s", name, commit, text)
		}
		for _, want := range []string{name + " version " + version, "commit:", "go version: " + runtime.Version(), "platform:   " + runtime.GOOS + "/" + runtime.GOARCH} {
			if !strings.Contains(text, want) {
				t.Errorf("%s --version has no %q:\n%s", name, want, text)
			}
		}
	}
}

// run runs a program and returns what it printed on stdout.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
