package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Platform is an operating system and an architecture, as Go names them.
type Platform struct{ OS, Arch string }

// String returns the platform as os/arch.
func (p Platform) String() string { return p.OS + "/" + p.Arch }

// parsePlatforms parses a list such as linux/amd64,linux/arm64.
func parsePlatforms(list string) ([]Platform, error) {
	var platforms []Platform
	for item := range strings.SplitSeq(list, ",") {
		system, arch, ok := strings.Cut(item, "/")
		if !ok || system == "" || arch == "" || strings.Contains(arch, "/") {
			return nil, fmt.Errorf("parse the platforms %q: %q is not like linux/amd64", list, item)
		}
		if p := (Platform{system, arch}); !slices.Contains(platforms, p) {
			platforms = append(platforms, p)
		}
	}
	return platforms, nil
}

// Source is the source that is built.
type Source struct {
	// Root is the root of the repository.
	Root string
	// Version is the version that programs and images have.
	Version string
	// Commit is the commit, with the suffix -dirty if files differ from it.
	Commit string
	// Time is the time of the commit. Everything built from the same commit has this time.
	Time time.Time
}

// newSource describes the repository at root, which is a clone by git or, with a commit in the environment variable
// COMMIT, a copy of one. SOURCE_DATE_EPOCH replaces the time of the commit. See reproducible-builds.org.
func newSource(ctx context.Context, root string) (*Source, error) {
	version, err := os.ReadFile(filepath.Join(root, "VERSION"))
	if err != nil {
		return nil, fmt.Errorf("read the version: %w", err)
	}
	s := &Source{Root: root, Version: strings.TrimSpace(string(version)), Commit: os.Getenv("COMMIT")}
	if s.Commit == "" {
		if s.Commit, err = s.git(ctx, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"); err != nil {
			return nil, fmt.Errorf("%w; in a copy without git set COMMIT and SOURCE_DATE_EPOCH", err)
		}
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		if epoch, err = s.git(ctx, "log", "-1", "--format=%ct"); err != nil {
			return nil, fmt.Errorf("%w; in a copy without git set SOURCE_DATE_EPOCH", err)
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("parse SOURCE_DATE_EPOCH: %w", err)
	}
	s.Time = time.Unix(seconds, 0).UTC()
	return s, nil
}

// git runs git in the repository and returns its output.
func (s *Source) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = s.Root
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(output)), nil
}

// build builds programs of cmd/ for a platform into a folder. The result depends on nothing but source, platform and
// version of Go: paths and the state of version control are left out.
func (s *Source) build(ctx context.Context, p Platform, folder string, programs ...string) error {
	const version = "rollcall.dev/rollcall/api/version"
	args := []string{
		"build", "-trimpath", "-buildvcs=false",
		"-ldflags", fmt.Sprintf("-s -w -X %[1]s.stamped=%[2]s -X %[1]s.stampedCommit=%[3]s", version, s.Version, s.Commit),
		"-o", folder + string(filepath.Separator),
	}
	for _, program := range programs {
		args = append(args, "./cmd/"+program)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = s.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-trimpath", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOOS="+p.OS, "GOARCH="+p.Arch)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for %s: %w\n%s", strings.Join(programs, ", "), p, err, output)
	}
	return nil
}
