// Command kubectl-rollcall is `kubectl rollcall`: the live state of many clusters, as
// their Rollcall master tells it.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"rollcall.dev/rollcall/client/plugin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal does not wait.
	context.AfterFunc(ctx, stop)
	code := plugin.Run(ctx, plugin.Config{
		IOStreams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Version:   version(),
		Getenv:    os.Getenv,
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// stamped is the version that hack/build.sh and hack/images.sh build, from the file VERSION.
var stamped string

// version returns the version that was stamped in, else the module's as the go command
// knows it.
func version() string {
	if stamped != "" {
		return stamped
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
