// Command rollcall-agent reports the state of its cluster to the masters that connect to it.
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
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"

	"rollcall.dev/rollcall/agent"
	"rollcall.dev/rollcall/api/flags"
	"rollcall.dev/rollcall/api/keepalive"
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
	klog.SetSlogLogger(cfg.Log)
	gc := tuneGC()
	cfg.OnSynced, cfg.OnEncode = gc.Synced, gc.Encoding
	keepalive.SetDefaults()
	return agent.Run(ctx, cfg)
}

// parse parses the flags. Package agent validates their combination.
func parse(args []string, stderr io.Writer) (agent.Config, error) {
	cfg := agent.Default()
	cfg.Version = version.String()
	f := pflag.NewFlagSet("rollcall-agent", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.SortFlags = false
	f.StringVar(&cfg.Kubeconfig, "kubeconfig", cfg.Kubeconfig, "kubeconfig of the cluster to report; default: in-cluster, then $KUBECONFIG")
	f.StringVar(&cfg.ClusterName, "cluster-name", cfg.ClusterName, "name of this cluster's ClusterAgent on the hub; required")
	f.StringVar(&cfg.Listen, "listen", cfg.Listen, "address for masters, /healthz and /readyz")
	f.StringVar(&cfg.MetricsListen, "metrics-listen", cfg.MetricsListen, "address for the agent's own metrics; empty disables them")
	f.StringVar(&cfg.HealthListen, "health-listen", cfg.HealthListen, "address for /healthz and /readyz over plain HTTP, available even if --listen has reached its connection limit; default: none")
	f.IntVar(&cfg.MaxConnections, "max-connections", cfg.MaxConnections, "maximum open connections at --listen, at most half of them unauthenticated; 0: half of the process's limit of open files, at most 512")
	f.IntVar(&cfg.MaxConnectionsPerAddress, "max-connections-per-address", cfg.MaxConnectionsPerAddress, "maximum open unauthenticated connections from one address (IPv6: /64); 0: 64")
	f.StringSliceVar(&cfg.TrustedProxies, "trusted-proxies", cfg.TrustedProxies, "comma-separated CIDRs of proxies whose X-Forwarded-For header is trusted; limits apply to the forwarded address")
	f.StringVar(&cfg.TLSCertFile, "tls-cert-file", cfg.TLSCertFile, "certificate file, reloaded when it changes; takes precedence over --tls-secret; default: a self-signed certificate in memory")
	f.StringVar(&cfg.TLSKeyFile, "tls-key-file", cfg.TLSKeyFile, "private key file of the certificate")
	f.StringVar(&cfg.TLSSecret, "tls-secret", cfg.TLSSecret, "Secret in the agent's namespace with the certificate as tls.crt and its key as tls.key; if it is empty, the agent creates both and stores them in it; default: none")
	f.StringVar(&cfg.TLSPinConfigMap, "tls-pin-configmap", cfg.TLSPinConfigMap, "ConfigMap in the agent's namespace in which the pin of that certificate is published as pin")
	f.StringVar(&cfg.Auth, "auth", cfg.Auth, "authentication of masters: token or none")
	f.StringArrayVar(&cfg.MasterPublicKeyFiles, "master-public-key-file", nil, "public key file to verify tokens and signatures, reloaded when it changes; repeat the flag to rotate keys")
	f.StringVar(&cfg.ChannelBinding, "channel-binding", cfg.ChannelBinding, "required: a master's signature must cover the TLS connection to this agent; off: for plain ws, or if an ingress or proxy terminates TLS; anyone on the network path can then use the connection")
	f.StringVar(&cfg.Hub, "hub", cfg.Hub, "address of the hub's masters, wss://host:port: the agent dials them, for a ClusterAgent with spec.connection: Reverse; default: masters dial the agent")
	f.StringVar(&cfg.HubCAFile, "hub-ca-file", cfg.HubCAFile, "CA certificates of the hub's masters; default: those of the system")
	f.StringVar(&cfg.HubServerName, "hub-server-name", cfg.HubServerName, "DNS name or IP address in the masters' certificate; default: the host of --hub")
	f.StringArrayVar(&cfg.HubPins, "hub-pin", nil, "accepted key of the hub's masters, as the SHA-256 of its SubjectPublicKeyInfo in hex; repeat the flag to rotate keys")
	f.StringVar(&cfg.HubProxy, "hub-proxy", cfg.HubProxy, "URL of an HTTP or SOCKS5 proxy to the hub, without a password; default: HTTPS_PROXY and NO_PROXY of the environment")
	f.StringVar(&cfg.JoinTokenFile, "join-token-file", cfg.JoinTokenFile, "file with a join token, which may be missing or empty; has the cluster name, --hub, its CA or pin, and the master's public key where these flags are not set")
	f.StringVar(&cfg.ServiceAccountTokenFile, "service-account-token-file", cfg.ServiceAccountTokenFile, "projected token of the agent's service account, by which the hub enrolls the agent's key; read for each use")
	f.BoolVar(&cfg.UnboundServiceAccountToken, "unbound-service-account-token", cfg.UnboundServiceAccountToken, "send that token also with --channel-binding=off: a proxy that terminates TLS can then join in the agent's place")
	f.BoolVar(&cfg.Insecure, "insecure", cfg.Insecure, "serve plain ws if no certificate is set (with --auth token this needs --channel-binding=off), and allow --auth none on any address")
	f.StringVar(&cfg.UsageSource, "usage-source", cfg.UsageSource, "source of resource usage: metrics-api or none")
	f.DurationVar(&cfg.UsagePeriod, "usage-period", cfg.UsagePeriod, "how often usage is read while a master requests it")
	f.DurationVar(&cfg.MinRequestPeriod, "min-request-period", cfg.MinRequestPeriod, "minimum time between two reports")
	f.DurationVar(&cfg.MaxSession, "max-session", cfg.MaxSession, "maximum duration of a session")
	f.BoolVar(&cfg.Profiling, "profiling", cfg.Profiling, "serve Go profiles at /debug/pprof/ of --metrics-listen, which must be a loopback address")
	logger, err := flags.Parse(f, args, stderr)
	if err != nil {
		return cfg, err
	}
	cfg.Log = logger
	return cfg, nil
}

// certgen writes a certificate and its key to a directory and prints the pin.
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
