package main

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"
	"rollcall.dev/rollcall/api/version"
	"rollcall.dev/rollcall/master"
)

const usage = `rollcall-master answers for many Kubernetes clusters. It runs against a hub cluster,
where a ClusterAgent names the agent of each of them.

  rollcall-master [flags]        run
  rollcall-master keygen PATH    write a signing key to PATH, and its public half to PATH.pub
  rollcall-master --version      print the version

To try it on this machine, once the hub has the custom resources:

  rollcall-master keygen signing.key
  rollcall-master --kubeconfig hub.kubeconfig --listen 127.0.0.1:8443 --auth none --dial-loopback --signing-key-file signing.key
  curl -k https://127.0.0.1:8443/api/v1/clusters

Each agent is started with --master-public-key-file signing.key.pub.

With --auth kubernetes, the default, clients come with what the hub knows them by, and
see what RBAC on the hub lets them, such as the ClusterRole rollcall-viewer:

  kubectl create clusterrolebinding viewer --clusterrole rollcall-viewer --serviceaccount default:viewer
  curl -k -H "Authorization: Bearer $(kubectl create token viewer)" https://127.0.0.1:8443/api/v1/clusters

Flags:
`

// parse reads the flags; what they mean together is the master's business.
func parse(args []string, stderr io.Writer) (master.Config, error) {
	cfg := master.Default()
	cfg.Version = version.String()
	f := pflag.NewFlagSet("rollcall-master", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.SortFlags = false
	f.Usage = func() { fmt.Fprint(stderr, usage, f.FlagUsages()) }
	f.StringVar(&cfg.Kubeconfig, "kubeconfig", cfg.Kubeconfig, "the hub; default: in-cluster, then $KUBECONFIG")
	f.StringVar(&cfg.Listen, "listen", cfg.Listen, "address for clients, /metrics, /healthz and /readyz")
	f.StringVar(&cfg.HealthListen, "health-listen", cfg.HealthListen, "address for /healthz and /readyz by plain HTTP, which answers also when --listen has all the connections it takes; default: none")
	f.IntVar(&cfg.MaxConnections, "max-connections", cfg.MaxConnections, "how many connections of clients are open at once, half of them of clients that are not authenticated; more are closed at once; 0: half of the files that the process may open, and 20000 at most")
	f.IntVar(&cfg.MaxConnectionsPerAddress, "max-connections-per-address", cfg.MaxConnectionsPerAddress, "how many connections of one address (IPv6: /64) are open at once whose clients are not authenticated; 0: 256, or with --auth none no limit")
	f.StringSliceVar(&cfg.TrustedProxies, "trusted-proxies", cfg.TrustedProxies, "proxies and ingresses (CIDRs), with commas between: the limits of connections, and of tokens that are not known, are of the addresses in their X-Forwarded-For")
	f.StringVar(&cfg.TLSCertFile, "tls-cert-file", cfg.TLSCertFile, "certificate, read again when it changes; default: one made in memory")
	f.StringVar(&cfg.TLSKeyFile, "tls-key-file", cfg.TLSKeyFile, "private key of the certificate")
	f.StringVar(&cfg.ServingCASecret, "serving-ca-secret", cfg.ServingCASecret, "Secret in the master's namespace, empty at first, with the CA that signs the certificates of all masters that have no --tls-cert-file; default: none")
	f.StringVar(&cfg.ServingCAConfigMap, "serving-ca-configmap", cfg.ServingCAConfigMap, "ConfigMap in the master's namespace where that CA's certificate is published, as ca.crt")
	f.StringSliceVar(&cfg.ServingCertNames, "serving-cert-names", cfg.ServingCertNames, "further DNS names and IP addresses of the certificate that is signed by that CA, with commas between")
	f.StringVar(&cfg.Auth, "auth", cfg.Auth, "who may ask: kubernetes, by the hub's tokens, client certificates and RBAC, or none, for everybody")
	f.StringSliceVar(&cfg.TokenAudiences, "token-audiences", cfg.TokenAudiences, "audiences of which a client's token must have one, with commas between; people who come by OIDC have those of the hub's API server only; default: those")
	f.StringVar(&cfg.ClientCAFile, "client-ca-file", cfg.ClientCAFile, "authorities of client certificates, read again when it changes; default: the hub's own, from kube-system/extension-apiserver-authentication")
	f.BoolVar(&cfg.Insecure, "insecure", cfg.Insecure, "plain HTTP where no certificate is given (with --auth kubernetes on a loopback address only), plain ws to agents, and --auth none on any address")
	f.StringVar(&cfg.Cache, "cache", cfg.Cache, "where answers are kept: memory, redis://… or rediss://…; entries in Redis are signed with --signing-key-file")
	f.StringVar(&cfg.SigningKeyFile, "signing-key-file", cfg.SigningKeyFile, "private key that signs the token of each dial, and what is written to Redis; default: dials carry none, and who can write to Redis can make up what clusters report for up to their TTL")
	f.StringArrayVar(&cfg.RotationSigningKeyFiles, "rotation-signing-key-file", cfg.RotationSigningKeyFiles, "private key of masters that sign with another one while it is changed, as often as there are such keys: what they write to Redis is read too; it signs nothing")
	f.BoolVar(&cfg.DialLoopback, "dial-loopback", cfg.DialLoopback, "agents may be at loopback addresses, as when all runs on one machine")
	f.BoolVar(&cfg.DialHubAPI, "dial-hub-api", cfg.DialHubAPI, "agents may be where the master reaches the hub's API server (its other addresses are for --dial-deny)")
	f.StringSliceVar(&cfg.DialAllow, "dial-allow", cfg.DialAllow, "the only ranges (CIDRs) that agents may be in, with commas between; default: all but link-local, multicast and metadata addresses, which are never dialed")
	f.StringSliceVar(&cfg.DialDeny, "dial-deny", cfg.DialDeny, "ranges (CIDRs) that agents may not be in, with commas between; it goes before --dial-allow")
	f.StringVar(&cfg.DialProxy, "dial-proxy", cfg.DialProxy, "http://, https:// or socks5:// proxy to dial agents through, which then decides what addresses are reached; default: none, whatever the environment says")
	f.StringSliceVar(&cfg.AllowedHosts, "allowed-hosts", cfg.AllowedHosts, "with --auth none: names of hosts that requests may be for, besides localhost and IP addresses (on loopback: loopback addresses); what a page of another name asks for is refused")
	f.BoolVar(&cfg.LeaderElect, "leader-elect", cfg.LeaderElect, "of several masters one reconciles, dials and answers; the others are not ready")
	f.StringVar(&cfg.LeaderElectionNamespace, "leader-elect-namespace", cfg.LeaderElectionNamespace, "where the leader's Lease is; default: the pod's namespace, else rollcall-system")
	f.DurationVar(&cfg.History, "history", cfg.History, "how long each cluster's usage and counts are kept in memory for /prometheus and /heapster; 0: not at all")
	f.Var((*quantity)(&cfg.HistoryMaxMemory), "history-max-memory", "bound of the history of all clusters together, such as 512Mi; 0: none")
	f.Var((*quantity)(&cfg.StateMaxMemory), "state-max-memory", "bound of what the states of all clusters take in memory together, as it is estimated, such as 512Mi; a cluster that takes more than its share is refused; 0: none; default: a quarter of GOMEMLIMIT, else of the control group's limit, else what is shown here")
	f.Var((*quantity)(&cfg.ClusterMaxMemory), "cluster-max-memory", "bound of what the state of one cluster takes in memory with what is being received, some 700 bytes a container; 0: none")
	f.IntVar(&cfg.QueryMaxSamples, "query-max-samples", cfg.QueryMaxSamples, "how many samples one query of /prometheus may have in memory")
	f.StringArrayVar(&cfg.Sinks, "sink", cfg.Sinks, "where all readings are sent, as often as there are sinks: prometheus+https://…, influxdb+https://…?db=… or ?org=…&bucket=…, kafka://broker:port/topic; see docs/SINKS.md")
	f.BoolVar(&cfg.Profiling, "profiling", cfg.Profiling, "serve Go's profiles at /debug/pprof/ of --listen, to who may get the nonResourceURLs /debug/pprof/* on the hub, as ClusterRole rollcall-profiler lets; with --auth none on a loopback address only")
	showVersion := f.Bool("version", false, version.Usage)
	if err := f.Parse(args); err != nil {
		return cfg, err
	}
	if *showVersion {
		return cfg, version.ErrRequested
	}
	if limit := memoryLimit(); limit > 0 && !f.Changed("state-max-memory") {
		cfg.StateMaxMemory = limit / 4
	}
	if f.NArg() > 0 {
		return cfg, fmt.Errorf("unknown argument %q; see --help", f.Arg(0))
	}
	return cfg, nil
}
