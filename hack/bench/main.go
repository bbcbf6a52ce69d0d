// Bench measures what it costs to know a cluster: Rollcall side by side with pollers, on
// real API servers, and writes docs/BENCHMARKS.md.
//
//	go run ./hack/bench                          everything, an hour
//	go run ./hack/bench -only stream,latency     some scenarios; docs/BENCHMARKS.md stays
//	go run ./hack/bench -quick                   a small cluster and short times: does it work?
//	go run ./hack/bench -list                    what there is to measure
//
// Bytes are those on the sockets, counted by forwarders on loopback: TLS records and all
// that is in them, TCP and IP headers apart. Memory and CPU are what /proc says of each
// process, requests what the API server's audit log says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"rollcall.dev/rollcall/api/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == pollCommand {
		return pollMain(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == serveCommand {
		return serveMain(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == askCommand {
		return askMain(ctx, args[1:])
	}
	options, err := parse(args)
	if errors.Is(err, version.ErrRequested) {
		return version.Write(os.Stdout, "bench")
	}
	if err != nil {
		return err
	}
	if options.list {
		for _, s := range scenarios {
			fmt.Printf("%-10s %s\n", s.name, s.about)
		}
		return nil
	}
	return bench(ctx, options)
}

// options are the command line.
type options struct {
	only  []string
	list  bool
	keep  bool
	out   string
	sizes sizes
}

// whole reports whether the run measures all scenarios at full size.
func (o options) whole() bool { return len(o.only) == 0 && o.sizes == full }

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := f.String("only", "", "scenarios, with commas between; default: all")
	quick := f.Bool("quick", false, "small clusters and short times, to see that everything works; figures mean nothing")
	f.BoolVar(&o.list, "list", false, "list the scenarios")
	f.BoolVar(&o.keep, "keep", false, "take the rows of scenarios that are not run from the last run, "+lastRun)
	f.StringVar(&o.out, "out", "", "file to write the table to; default: docs/BENCHMARKS.md if everything is run, or kept, at full size, else none")
	showVersion := f.Bool("version", false, version.Usage)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *showVersion {
		return o, version.ErrRequested
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q; see -help", f.Arg(0))
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	o.sizes = full
	if *quick {
		o.sizes = small
	}
	if o.out == "" && (o.whole() || o.keep && !*quick) {
		o.out = "docs/BENCHMARKS.md"
	}
	_, err := chosen(o.only)
	return o, err
}
