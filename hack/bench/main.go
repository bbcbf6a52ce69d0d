// Bench measures what it costs to keep the state of a cluster up to date: Rollcall next to pollers, on
// real API servers. It writes docs/BENCHMARKS.md.
//
//	go -C hack/bench run .                           everything; takes an hour
//	go -C hack/bench run . -only stream,latency      some scenarios; docs/BENCHMARKS.md stays
//	go -C hack/bench run . -quick                    a small cluster and short times, to test the program
//	go -C hack/bench run . -list                     lists the scenarios
//
// Bytes are counted on the sockets by forwarders on loopback: TLS records with their content, without the
// headers of TCP and IP. Memory and CPU are read from /proc for each process, requests from the API server's
// audit log.
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

// run parses the command line and runs the program. The first argument can be a command of a child process.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == pollCommand {
		return pollMain(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == serveCommand {
		return serveMain(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == clientCommand {
		return clientMain(ctx, args[1:])
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

// options holds the command line.
type options struct {
	only  []string
	list  bool
	keep  bool
	out   string
	sizes sizes
}

// whole reports whether the run measures all scenarios at full size.
func (o options) whole() bool { return len(o.only) == 0 && o.sizes == full }

// parse parses the command line. It returns version.ErrRequested for -version.
func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := f.String("only", "", "comma-separated scenarios to run; default: all")
	quick := f.Bool("quick", false, "use small clusters and short times to test the program; the figures mean nothing")
	f.BoolVar(&o.list, "list", false, "list the scenarios and exit")
	f.BoolVar(&o.keep, "keep", false, "keep the rows of scenarios that are not run from the last run, "+lastRun)
	f.StringVar(&o.out, "out", "", "file to write the table to; default: docs/BENCHMARKS.md if all scenarios are run, or kept, at full size, else none")
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
	_, err := selectScenarios(o.only)
	return o, err
}
