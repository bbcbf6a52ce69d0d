package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"rollcall.dev/rollcall/api/flags"
	"rollcall.dev/rollcall/api/version"
	"rollcall.dev/rollcall/master"
)

const usage = `rollcall-master serves the state of many Kubernetes clusters. It runs against a hub cluster,
where each of them is registered by a ClusterAgent with the address of its agent.

  rollcall-master [flags]        run
  rollcall-master keygen PATH    write a signing key to PATH, and its public half to PATH.pub
  rollcall-master --version      print the version

To try it on this machine, once the hub has the custom resources:

  rollcall-master keygen signing.key
  rollcall-master --kubeconfig hub.kubeconfig --listen 127.0.0.1:8443 --auth none --dial-loopback --signing-key-file signing.key
  curl -k https://127.0.0.1:8443/api/v1/clusters

Each agent is started with --master-public-key-file signing.key.pub.

With --auth kubernetes, the default, clients authenticate with credentials of the hub, and
access is granted by RBAC on the hub, for example by the ClusterRole rollcall-viewer:

  kubectl create clusterrolebinding viewer --clusterrole rollcall-viewer --serviceaccount default:viewer
  curl -k -H "Authorization: Bearer $(kubectl create token viewer)" https://127.0.0.1:8443/api/v1/clusters

Flags:
`

// parse parses the flags. Package master validates their combination.
func parse(args []string, stderr io.Writer) (master.Config, error) {
	cfg := master.Default()
	cfg.Version, cfg.PodName, cfg.PodUID = version.String(), os.Getenv("POD_NAME"), os.Getenv("POD_UID")
	f := pflag.NewFlagSet("rollcall-master", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.SortFlags = false
	f.Usage = func() { fmt.Fprint(stderr, usage, f.FlagUsages()) }
	f.StringVar(&cfg.Kubeconfig, "kubeconfig", cfg.Kubeconfig, "kubeconfig of the hub; default: in-cluster, then $KUBECONFIG")
	f.StringVar(&cfg.Listen, "listen", cfg.Listen, "address for clients, /metrics, /healthz and /readyz")
	f.StringVar(&cfg.HealthListen, "health-listen", cfg.HealthListen, "address for /healthz and /readyz over plain HTTP, available even if --listen has reached its connection limit; default: none")
	f.IntVar(&cfg.MaxConnections, "max-connections", cfg.MaxConnections, "maximum open client connections, at most half of them unauthenticated; 0: half of the process's limit of open files, at most 20000")
	f.IntVar(&cfg.MaxConnectionsPerAddress, "max-connections-per-address", cfg.MaxConnectionsPerAddress, "maximum open unauthenticated connections from one address (IPv6: /64); 0: 256, or no limit with --auth none")
	f.StringSliceVar(&cfg.TrustedProxies, "trusted-proxies", cfg.TrustedProxies, "comma-separated CIDRs of proxies whose X-Forwarded-For header is trusted; the limits of connections and of unknown tokens apply to the forwarded address")
	f.StringVar(&cfg.TLSCertFile, "tls-cert-file", cfg.TLSCertFile, "certificate file, reloaded when it changes; default: a self-signed certificate in memory")
	f.StringVar(&cfg.TLSKeyFile, "tls-key-file", cfg.TLSKeyFile, "private key file of the certificate")
	f.StringVar(&cfg.ServingCASecret, "serving-ca-secret", cfg.ServingCASecret, "Secret in the master's namespace, initially empty, for the CA that signs the serving certificates of masters without --tls-cert-file; default: none")
	f.StringVar(&cfg.ServingCAConfigMap, "serving-ca-configmap", cfg.ServingCAConfigMap, "ConfigMap in the master's namespace in which the certificate of that CA is published as ca.crt")
	f.StringSliceVar(&cfg.ServingCertNames, "serving-cert-names", cfg.ServingCertNames, "comma-separated additional DNS names and IP addresses of the certificate signed by that CA")
	f.StringVar(&cfg.Auth, "auth", cfg.Auth, "authentication of clients: kubernetes (tokens, client certificates and RBAC of the hub) or none (anyone can read everything)")
	f.StringSliceVar(&cfg.TokenAudiences, "token-audiences", cfg.TokenAudiences, "comma-separated audiences, of which a client's token must have one; OIDC tokens have only those of the hub's API server; default: those of the hub's API server")
	f.StringVar(&cfg.ClientCAFile, "client-ca-file", cfg.ClientCAFile, "CA file for client certificates, reloaded when it changes; default: that of the hub, from kube-system/extension-apiserver-authentication")
	f.BoolVar(&cfg.Insecure, "insecure", cfg.Insecure, "serve plain HTTP if no certificate is set (with --auth kubernetes on a loopback address only), allow plain ws to agents, and --auth none on any address")
	f.StringVar(&cfg.Cache, "cache", cfg.Cache, "where reports are cached: memory, redis://… or rediss://…; entries in Redis are signed with the signing key")
	f.StringVar(&cfg.SigningKeyFile, "signing-key-file", cfg.SigningKeyFile, "private key file to sign tokens for agents and entries in Redis; default: that of --signing-key-secret, else none; agents then need --auth none, and anyone who can write to Redis can forge reports for up to their TTL")
	f.StringVar(&cfg.SigningKeySecret, "signing-key-secret", cfg.SigningKeySecret, "Secret in the master's namespace with that key as signing.key; if it is empty, the first master creates the key and stores it in it; --signing-key-file takes precedence; default: none")
	f.StringVar(&cfg.SigningKeyConfigMap, "signing-key-configmap", cfg.SigningKeyConfigMap, "ConfigMap in the master's namespace in which its public key, which agents need, is published as signing.key.pub")
	f.StringArrayVar(&cfg.RotationSigningKeyFiles, "rotation-signing-key-file", cfg.RotationSigningKeyFiles, "private key file with which other masters sign during a rotation of the key: entries in Redis that are signed with it are accepted, and nothing is signed with it; repeat the flag for each key")
	f.BoolVar(&cfg.DialLoopback, "dial-loopback", cfg.DialLoopback, "allow agents at loopback addresses, for example if everything runs on one machine")
	f.BoolVar(&cfg.DialHubAPI, "dial-hub-api", cfg.DialHubAPI, "allow agents at the address at which the master reaches the hub's API server (use --dial-deny for its other addresses)")
	f.StringSliceVar(&cfg.DialAllow, "dial-allow", cfg.DialAllow, "comma-separated CIDRs in which agents must be; default: all addresses; link-local, multicast and metadata addresses are never allowed")
	f.StringSliceVar(&cfg.DialDeny, "dial-deny", cfg.DialDeny, "comma-separated CIDRs in which agents must not be; takes precedence over --dial-allow")
	f.StringVar(&cfg.DialProxy, "dial-proxy", cfg.DialProxy, "http://, https:// or socks5:// proxy for connections to agents; the proxy then decides which addresses are allowed; default: none; proxies in the environment are ignored")
	f.StringSliceVar(&cfg.AllowedHosts, "allowed-hosts", cfg.AllowedHosts, "with --auth none: accepted values of the Host header besides localhost and IP addresses (only loopback addresses if --listen is one); protects against DNS rebinding")
	f.BoolVar(&cfg.LeaderElect, "leader-elect", cfg.LeaderElect, "let several masters run: with --cache memory, elect a leader, which reconciles, connects to agents and serves, while the others are not ready; with Redis, all serve and share the clusters; false: this is the only master")
	f.StringVar(&cfg.LeaderElectionNamespace, "leader-elect-namespace", cfg.LeaderElectionNamespace, "namespace of the Leases of the masters; default: the pod's namespace, else rollcall-system")
	f.StringVar(&cfg.PodName, "pod-name", cfg.PodName, "name of this master, different from those of other masters with the same Redis; default: $POD_NAME, else the host name")
	f.DurationVar(&cfg.History, "history", cfg.History, "how long usage and counts are kept in memory for /prometheus and /heapster; 0 disables the history")
	f.Var((*quantity)(&cfg.HistoryMaxMemory), "history-max-memory", "memory limit of the history of all clusters, such as 512Mi; 0: no limit")
	f.Var((*quantity)(&cfg.StateMaxMemory), "state-max-memory", "estimated memory limit of the states of all clusters, such as 512Mi; a cluster that exceeds its share is refused; 0: no limit; default: a quarter of GOMEMLIMIT, else of the cgroup's limit, else the value shown here")
	f.Var((*quantity)(&cfg.ClusterMaxMemory), "cluster-max-memory", "memory limit of the state of one cluster, including data being received; a container takes about 700 bytes; 0: no limit")
	f.IntVar(&cfg.QueryMaxSamples, "query-max-samples", cfg.QueryMaxSamples, "maximum samples in memory for one query of /prometheus")
	f.StringArrayVar(&cfg.Sinks, "sink", cfg.Sinks, "URL to which usage and counts are sent: prometheus+https://…, influxdb+https://…?db=… or ?org=…&bucket=…, kafka://broker:port/topic; repeat the flag for each sink; see docs/SINKS.md")
	f.BoolVar(&cfg.Profiling, "profiling", cfg.Profiling, "serve Go profiles at /debug/pprof/ of --listen to clients with access to the nonResourceURLs /debug/pprof/* on the hub, as granted by the ClusterRole rollcall-profiler; with --auth none on a loopback address only")
	f.StringVar(&cfg.AuditLog, "audit-log", cfg.AuditLog, "file to which a line of JSON is written for each request: who asked for what, from where, with which result, and which sessions the request started; - means the standard output; only the master's user may read the file, and it can be rotated without a signal; default: none; see docs/OPERATIONS.md")
	logger, err := flags.Parse(f, args, stderr)
	if err != nil {
		return cfg, err
	}
	cfg.Log = logger
	if limit := memoryLimit(); limit > 0 && !f.Changed("state-max-memory") {
		cfg.StateMaxMemory = limit / 4
	}
	return cfg, nil
}
