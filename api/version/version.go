// Package version describes the build of a program for its --version flag.
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

// stamped and stampedCommit are set by hack/build.sh: the content of the file VERSION, and the
// commit.
var stamped, stampedCommit string

// ErrRequested is returned by the flag parsing of a program if --version is set.
var ErrRequested = errors.New("version requested")

// Usage is the help of the flag --version.
const Usage = "print version and build information, and exit"

// String returns the version, such as v1.2.3 or v1.2.3-4-g0123abc: the one set by the build, else
// the module's.
func String() string {
	return cmp.Or(stamped, build().Main.Version, "unknown")
}

// Text returns the output of --version, one line each: name and version, commit, Go version, and
// platform.
func Text(program string) string {
	return fmt.Sprintf("%s version %s\n  commit:     %s\n  go version: %s\n  platform:   %s/%s\n",
		program, String(), cmp.Or(stampedCommit, commit(build().Settings)), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// Write writes Text to w.
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

// commit returns the commit of the build, and "modified" if files differed from it.
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
