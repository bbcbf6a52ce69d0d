// Command rollcall-agent reports what is in its cluster to the masters that dial it.
//
//	rollcall-agent --cluster-name NAME --master-public-key-file FILE [flags]
//	rollcall-agent certgen DIR
//	rollcall-agent --version
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	"rollcall.dev/rollcall/agent"
	"rollcall.dev/rollcall/api/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "rollcall-agent: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "certgen" {
		return certgen(args[1:], stdout)
	}
	cfg, err := parse(args, stderr)
	if errors.Is(err, version.ErrRequested) {
		return version.Write(stdout, "rollcall-agent")
	}
	if err != nil {
		return err
	}
	cfg.Log = slog.New(slog.NewTextHandler(stderr, nil))
	klog.SetSlogLogger(cfg.Log)
	memory := saveMemory()
	cfg.Settled, cfg.Encoding = memory.Settled, memory.Encoding
	noticeSilence()
	return agent.Run(ctx, cfg)
}

// parse reads the flags; what they mean together is the agent's business.
func parse(args []string, stderr io.Writer) (agent.Config, error) {
	cfg := agent.Default()
	cfg.Version = version.String()
	f := pflag.NewFlagSet("rollcall-agent", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.SortFlags = false
	f.StringVar(&cfg.Kubeconfig, "kubeconfig", cfg.Kubeconfig, "the member cluster; default: in-cluster, then $KUBECONFIG")
	f.StringVar(&cfg.ClusterName, "cluster-name", cfg.ClusterName, "the name of this cluster's ClusterAgent on the hub; it has no default")
	f.StringVar(&cfg.Listen, "listen", cfg.Listen, "address for masters, /healthz and /readyz")
	f.StringVar(&cfg.MetricsListen, "metrics-listen", cfg.MetricsListen, "address of the agent's own metrics; empty: nowhere")
	f.StringVar(&cfg.HealthListen, "health-listen", cfg.HealthListen, "address for /healthz and /readyz by plain HTTP, which answers also when --listen has all the connections it takes; default: none")
	f.IntVar(&cfg.MaxConnections, "max-connections", cfg.MaxConnections, "how many connections are open at once at --listen, half of them of callers that are not authenticated; more are closed at once; 0: half of the files that the process may open, and 512 at most")
	f.IntVar(&cfg.MaxConnectionsPerAddress, "max-connections-per-address", cfg.MaxConnectionsPerAddress, "how many connections of one address (IPv6: /64) are open at once whose callers are not authenticated; 0: 64")
	f.StringSliceVar(&cfg.TrustedProxies, "trusted-proxies", cfg.TrustedProxies, "proxies (CIDRs) between masters and the agent, with commas between: the limit is of the addresses in their X-Forwarded-For")
	f.StringVar(&cfg.TLSCertFile, "tls-cert-file", cfg.TLSCertFile, "certificate, read again when it changes; default: one made in memory")
	f.StringVar(&cfg.TLSKeyFile, "tls-key-file", cfg.TLSKeyFile, "private key of the certificate")
	f.StringVar(&cfg.Auth, "auth", cfg.Auth, "who may dial: token or none")
	f.StringArrayVar(&cfg.MasterPublicKeyFiles, "master-public-key-file", nil, "public key that tokens and signatures are checked with, read again when it changes; repeat it to rotate keys")
	f.StringVar(&cfg.ChannelBinding, "channel-binding", cfg.ChannelBinding, "required: a master's signature has to be over the TLS connection that ends at this agent; off: over none, for plain ws or where an ingress or proxy ends TLS, and anyone on the network path can then use the connection")
	f.BoolVar(&cfg.Insecure, "insecure", cfg.Insecure, "serve plain ws where no certificate is given (with --auth token that needs --channel-binding=off), and allow --auth none on any address")
	f.StringVar(&cfg.UsageSource, "usage-source", cfg.UsageSource, "where usage comes from: metrics-api or none")
	f.DurationVar(&cfg.UsagePeriod, "usage-period", cfg.UsagePeriod, "how often usage is read while anybody wants it")
	f.DurationVar(&cfg.MinRequestPeriod, "min-request-period", cfg.MinRequestPeriod, "the shortest time between two reports that is granted")
	f.DurationVar(&cfg.MaxSession, "max-session", cfg.MaxSession, "the longest session that is granted")
	f.BoolVar(&cfg.Profiling, "profiling", cfg.Profiling, "serve Go's profiles at /debug/pprof/ of --metrics-listen, which has to be a loopback address")
	showVersion := f.Bool("version", false, version.Usage)
	if err := f.Parse(args); err != nil {
		return cfg, err
	}
	if *showVersion {
		return cfg, version.ErrRequested
	}
	if f.NArg() > 0 {
		return cfg, fmt.Errorf("unknown argument %q; see --help", f.Arg(0))
	}
	return cfg, nil
}

// certgen writes a lasting pair into a folder and prints its pin.
func certgen(args []string, stdout io.Writer) error {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return errors.New("usage: rollcall-agent certgen DIR")
	}
	pin, err := agent.GenerateCertificate(args[0])
	if err != nil {
		return fmt.Errorf("certgen: %w", err)
	}
	_, err = fmt.Fprintln(stdout, pin)
	return err
}
