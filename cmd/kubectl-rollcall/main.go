// Command kubectl-rollcall is the plugin `kubectl rollcall`, which shows the live state of the
// clusters of a Rollcall master.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"rollcall.dev/rollcall/api/version"
	"rollcall.dev/rollcall/client/plugin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the process immediately.
	context.AfterFunc(ctx, stop)
	code := plugin.Run(ctx, plugin.Config{
		IOStreams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Version:   version.Text("kubectl-rollcall"),
		Getenv:    os.Getenv,
	}, os.Args[1:])
	stop()
	os.Exit(code)
}
