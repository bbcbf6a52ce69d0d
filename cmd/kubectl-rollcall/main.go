// Command kubectl-rollcall is the plugin `kubectl rollcall`, which shows the live state of the
// clusters of a Rollcall master.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"rollcall.dev/rollcall/api/version"
	"rollcall.dev/rollcall/client/plugin"
	"rollcall.dev/rollcall/local"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the process immediately.
	context.AfterFunc(ctx, stop)
	code := plugin.Run(ctx, plugin.Config{
		IOStreams: genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Version:   version.Text("kubectl-rollcall"),
		Getenv:    os.Getenv,
		Commands:  []*cobra.Command{local.Command(local.CommandConfig{Version: version.String()})},
	}, os.Args[1:])
	stop()
	os.Exit(code)
}
