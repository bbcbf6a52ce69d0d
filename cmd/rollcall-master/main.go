// Command rollcall-master serves the state of many clusters that are registered on a hub.
//
//	rollcall-master [flags]
//	rollcall-master keygen PATH
//	rollcall-master --version
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/pflag"
	"rollcall.dev/rollcall/api/keepalive"
	"rollcall.dev/rollcall/api/version"
	"rollcall.dev/rollcall/master"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the process immediately.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "rollcall-master: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "keygen" {
		return keygen(args[1:], stdout)
	}
	cfg, err := parse(args, stderr)
	if errors.Is(err, version.ErrRequested) {
		return version.Write(stdout, "rollcall-master")
	}
	if err != nil {
		return err
	}
	master.AdoptLogs(ctx, cfg.Log)
	keepalive.SetDefaults()
	tuneGC(ctx)
	setMemoryLimit()
	ctx, end := context.WithCancel(ctx)
	var releasing sync.WaitGroup
	releasing.Go(func() { releaseMemory(ctx) })
	defer releasing.Wait()
	defer end()
	return master.Run(ctx, cfg)
}

// keygen writes a signing key and its public key.
func keygen(args []string, stdout io.Writer) error {
	if len(args) != 1 || args[0] == "" || args[0][0] == '-' {
		return errors.New("usage: rollcall-master keygen PATH")
	}
	if err := master.GenerateSigningKey(args[0]); err != nil {
		return fmt.Errorf("keygen: %w", err)
	}
	_, err := fmt.Fprintf(stdout, "%s is for --signing-key-file of masters, %s.pub for --master-public-key-file of agents\n", args[0], args[0])
	return err
}
