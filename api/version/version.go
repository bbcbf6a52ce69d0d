// Package version tells what a program was built from, for its --version.
package version

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// stamped and stampedCommit are set by hack/build.sh: the file VERSION, and the commit.
var stamped, stampedCommit string

// ErrRequested is returned by what parses a command line that asks for the version.
var ErrRequested = errors.New("the version was asked for")

// Usage is the help of the flag --version.
const Usage = "print the version, and what it was built from, and exit"

// String returns the version, such as v1.2.3 or v1.2.3-4-g0123abc: what the build was
// stamped with, else what the go command knows of the module.
func String() string {
	return cmp.Or(stamped, build().Main.Version, "unknown")
}

// Text returns what --version prints of a program: its name and version, the commit, the
// Go version and the platform, a line each.
func Text(program string) string {
	return fmt.Sprintf("%s version %s\n  commit:     %s\n  go version: %s\n  platform:   %s/%s\n",
		program, String(), cmp.Or(stampedCommit, commit(build().Settings)), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// Write writes Text.
func Write(w io.Writer, program string) error {
	if _, err := io.WriteString(w, Text(program)); err != nil {
		return fmt.Errorf("print the version: %w", err)
	}
	return nil
}

func build() *debug.BuildInfo {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return new(debug.BuildInfo)
	}
	return info
}

// commit returns the commit that was built, and whether files differed from it.
func commit(settings []debug.BuildSetting) string {
	var revision, modified string
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				modified = "modified"
			}
		}
	}
	return strings.TrimSpace(cmp.Or(revision, "unknown") + " " + modified)
}
