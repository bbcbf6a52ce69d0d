// Package flags has the flags that agent and master have in common.
package flags

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"

	"rollcall.dev/rollcall/api/version"
)

// Parse parses the command line of a program, with --log-level and --version, and returns a logger that writes to stderr.
// It returns version.ErrRequested if only the version is wanted. Arguments that are no flags are an error.
func Parse(f *pflag.FlagSet, args []string, stderr io.Writer) (*slog.Logger, error) {
	var level slog.Level
	f.TextVar(&level, "log-level", slog.LevelInfo, "least severe level that is logged: debug, info, warn or error")
	showVersion := f.Bool("version", false, version.Usage)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if *showVersion {
		return nil, version.ErrRequested
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q; see --help", f.Arg(0))
	}
	return slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})), nil
}
