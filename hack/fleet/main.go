// Fleet plays many agents on this machine, to load one master: each answers on a port
// of 127.0.0.1 of its own, by the agent's real wire code, for a made-up cluster whose
// usage moves as it is told. No Kubernetes is needed but the master's hub:
//
//	go run ./hack/fleet --agents 1000 --write-registry /tmp/fleet.yaml &
//	kubectl apply --server-side -f /tmp/fleet.yaml
//
// It says on stdout when it serves, and ends after --for or on SIGTERM.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"rollcall.dev/rollcall/api/version"
	"rollcall.dev/rollcall/test/load"
)

func main() {
	c := parseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.lifetime > 0 {
		ctx, stop = context.WithTimeout(ctx, c.lifetime)
		defer stop()
	}
	if err := run(ctx, c, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		stop()
		os.Exit(1)
	}
}

// config is what a fleet is told.
type config struct {
	agents, containers, nodes int
	// prefix begins the clusters' names.
	prefix    string
	firstPort int
	tls       bool
	seed      uint64

	usage       load.Kind
	usagePeriod time.Duration
	// changes are so many a second over the whole fleet.
	changes float64

	registry  string
	reporting reporting
	lifetime  time.Duration
}

func parseFlags() config {
	var c config
	flag.IntVar(&c.agents, "agents", 100, "how many clusters there are")
	flag.IntVar(&c.containers, "containers", 300, "containers of each, in pods of two on average")
	flag.IntVar(&c.nodes, "nodes", 5, "nodes of each")
	flag.StringVar(&c.prefix, "name-prefix", "fleet-", "what the clusters' names begin with, before a number of five digits")
	flag.IntVar(&c.firstPort, "first-port", 10000, "port of the first agent on 127.0.0.1; the others follow; 0: any free ports")
	flag.BoolVar(&c.tls, "tls", false, "serve wss, with one pinned certificate for all; otherwise ws, for a master with --insecure")
	flag.Uint64Var(&c.seed, "seed", 1, "the same seed gives the same clusters and the same usage")
	flag.TextVar(&c.usage, "usage", load.Office, "how usage moves: still, office or storm")
	flag.DurationVar(&c.usagePeriod, "usage-period", 15*time.Second, "between two samples of a cluster, taken while it is reported")
	flag.Float64Var(&c.changes, "changes-per-second", 0, "containers of the whole fleet that turn ready or unready each second")
	flag.StringVar(&c.registry, "write-registry", "", "write a ClusterAgent for each cluster to this file, for kubectl apply")
	flag.StringVar(&c.reporting.mode, "mode", "Continuous", "spec.reporting.mode of the ClusterAgents: Continuous or OnDemand")
	flag.DurationVar(&c.reporting.requestPeriod, "request-period", 5*time.Second, "their requestPeriod")
	flag.DurationVar(&c.reporting.cacheTTL, "cache-ttl", 10*time.Second, "their cacheTTL")
	flag.DurationVar(&c.reporting.sessionDuration, "session-duration", 30*time.Minute, "their sessionDuration")
	flag.DurationVar(&c.reporting.idleRefresh, "idle-refresh", 5*time.Minute, "their idleRefresh")
	flag.DurationVar(&c.lifetime, "for", 0, "end by itself after so long; 0: on SIGTERM or Ctrl-C only")
	showVersion := flag.Bool("version", false, version.Usage)
	flag.Parse()
	if *showVersion {
		fmt.Print(version.Text("fleet"))
		os.Exit(0)
	}
	return c
}
