// Fleet runs many simulated agents on this machine, to load one master. Each listens on its own port
// of 127.0.0.1, or dials a master with --hub. It uses the agent's real code of the wire protocol, for a generated cluster whose
// usage changes as --usage says. Kubernetes is needed only for the master's hub:
//
//	go run ./hack/fleet --agents 1000 --write-registry /tmp/fleet.yaml &
//	kubectl apply --server-side -f /tmp/fleet.yaml
//
// It prints a line to stdout when it serves, and exits after --for or on SIGTERM.
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

// config holds the command line.
type config struct {
	agents, containers, nodes int
	// prefix is the prefix of the clusters' names.
	prefix    string
	firstPort int
	tls       bool
	seed      uint64

	usage       load.Kind
	usagePeriod time.Duration
	// changes is the number of changed containers per second in the whole fleet.
	changes float64

	hub       hubFlags
	registry  string
	reporting reporting
	lifetime  time.Duration
}

// parseFlags parses the command line. It prints the version and exits for --version.
func parseFlags() config {
	var c config
	flag.IntVar(&c.agents, "agents", 100, "number of clusters")
	flag.IntVar(&c.containers, "containers", 300, "number of containers in each cluster, about two in each pod")
	flag.IntVar(&c.nodes, "nodes", 5, "number of nodes in each cluster")
	flag.StringVar(&c.prefix, "name-prefix", "fleet-", "prefix of the clusters' names, before a number of five digits")
	flag.IntVar(&c.firstPort, "first-port", 10000, "port of the first agent on 127.0.0.1; the others use the next ports; 0 uses any free ports")
	flag.BoolVar(&c.tls, "tls", false, "serve wss, with one pinned certificate for all; otherwise ws, for a master with --insecure")
	flag.StringVar(&c.hub.address, "hub", "", "address of masters, wss://host:port, that the agents dial instead of listening")
	flag.StringVar(&c.hub.pin, "hub-pin", "", "SHA-256 of the public key of the masters' certificate in hex, with --hub")
	flag.StringVar(&c.hub.publicKeyFile, "master-public-key-file", "", "file with the public signing key of the masters, with --hub")
	flag.Uint64Var(&c.seed, "seed", 1, "seed of clusters and usage; the same seed gives the same clusters and usage")
	flag.TextVar(&c.usage, "usage", load.Office, "how usage changes: still (never), office (one in five nodes and containers) or storm (all in each sample)")
	flag.DurationVar(&c.usagePeriod, "usage-period", 15*time.Second, "time between two samples of a cluster's usage, while a session requests usage")
	flag.Float64Var(&c.changes, "changes-per-second", 0, "number of containers in the whole fleet whose readiness changes each second")
	flag.StringVar(&c.registry, "write-registry", "", "file to write a ClusterAgent for each cluster to, for kubectl apply")
	flag.StringVar(&c.reporting.mode, "mode", "Continuous", "spec.reporting.mode of the ClusterAgents: Continuous or OnDemand")
	flag.DurationVar(&c.reporting.requestPeriod, "request-period", 5*time.Second, "spec.reporting.requestPeriod of the ClusterAgents")
	flag.DurationVar(&c.reporting.cacheTTL, "cache-ttl", 10*time.Second, "spec.reporting.cacheTTL of the ClusterAgents")
	flag.DurationVar(&c.reporting.sessionDuration, "session-duration", 30*time.Minute, "spec.reporting.sessionDuration of the ClusterAgents")
	flag.DurationVar(&c.reporting.idleRefresh, "idle-refresh", 5*time.Minute, "spec.reporting.idleRefresh of the ClusterAgents")
	flag.DurationVar(&c.lifetime, "for", 0, "exit after this time; 0 runs until SIGTERM or Ctrl-C")
	showVersion := flag.Bool("version", false, version.Usage)
	flag.Parse()
	if *showVersion {
		fmt.Print(version.Text("fleet"))
		os.Exit(0)
	}
	return c
}
