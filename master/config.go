package master

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/master/budget"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/sink"
)

// These are the values of Config.Auth.
const (
	AuthKubernetes = "kubernetes"
	AuthNone       = "none"
)

// These constants limit Config.History. A shorter history has too few samples for a rate; a longer
// one is a task for a time series database.
const (
	minHistory = time.Minute
	maxHistory = 6 * time.Hour
)

// CacheMemory caches reports in this process only.
const CacheMemory = "memory"

// Config configures a master. Default returns a value for each field.
type Config struct {
	// Kubeconfig is the kubeconfig of the hub. If it is empty, the in-cluster configuration is
	// used, then $KUBECONFIG.
	Kubeconfig string

	// Listen is the host:port for clients, health and metrics. HealthListen additionally serves
	// health over plain HTTP, without the connection limits of Listen; empty disables it.
	Listen, HealthListen    string
	TLSCertFile, TLSKeyFile string
	// ServingCASecret and ServingCAConfigMap name objects in the master's namespace, through
	// which all replicas share a CA for their serving certificates if there are no certificate
	// files; see package servingcert. Empty disables it. ServingCertNames are additional DNS
	// names and IP addresses of these certificates.
	ServingCASecret, ServingCAConfigMap string
	ServingCertNames                    []string
	// Auth is AuthKubernetes, which authenticates and authorizes clients by the hub, or AuthNone.
	Auth string
	// TokenAudiences are the accepted audiences of tokens, by default those of the hub's API
	// server. It requires AuthKubernetes.
	TokenAudiences []string
	// ClientCAFile has the authorities of client certificates, by default those of the hub. It
	// requires AuthKubernetes.
	ClientCAFile string
	// Insecure serves plain HTTP if there is no certificate, allows plain ws to agents whose
	// endpoint has that scheme, and allows AuthNone on any address. AuthKubernetes over plain HTTP
	// is allowed on loopback addresses only, as anyone on the network path could otherwise steal
	// tokens of the hub.
	Insecure bool

	// MaxConnections limits open client connections. 0 means half of the process's limit of open
	// files, at most 20,000. MaxConnectionsPerAddress limits the unauthenticated connections of one
	// address (IPv6: /64). 0 means 256, or no limit with AuthNone.
	MaxConnections, MaxConnectionsPerAddress int
	// TrustedProxies are CIDRs or addresses of proxies whose X-Forwarded-For header is trusted.
	TrustedProxies []string

	// Cache is CacheMemory or the URL of a Redis: redis://… or rediss://….
	Cache string
	// SigningKeyFile has the private key that signs the tokens for agents and the entries in
	// Redis. If it is empty, SigningKeySecret is used. If that is empty too, neither is signed.
	SigningKeyFile string
	// SigningKeySecret names a Secret in the master's namespace that has this key, or is empty: the
	// first master then creates the key and stores it. SigningKeyConfigMap names the ConfigMap in
	// which its public key is published.
	SigningKeySecret, SigningKeyConfigMap string
	// RotationSigningKeyFiles have the private keys of masters that use another SigningKeyFile
	// during a rotation. Their entries in Redis are accepted. They sign nothing.
	RotationSigningKeyFiles []string
	// DialLoopback and DialHubAPI allow agents at loopback addresses and at the hub's API server.
	// DialAllow, if it is not empty, has the allowed addresses, DialDeny the denied ones, both as
	// CIDRs or addresses. See package egress.
	DialLoopback, DialHubAPI bool
	DialAllow, DialDeny      []string
	// DialProxy is the URL of the proxy for connections to agents. The proxy then decides which
	// addresses are allowed. Proxies in the environment are ignored.
	DialProxy string
	// AllowedHosts are accepted values of the Host header with AuthNone, besides localhost.
	AllowedHosts []string
	// LeaderElect lets several masters run. With CacheMemory, only one of them reconciles, connects to agents and serves.
	// With Redis, all serve, and share the clusters; see package membership. The Leases are in
	// LeaderElectionNamespace, by default the pod's namespace, else rollcall-system.
	LeaderElect             bool
	LeaderElectionNamespace string
	// PodName and PodUID are the pod of this master. PodName is its name among masters that share the clusters, by default
	// the host name.
	PodName, PodUID string

	// Profiling serves Go profiles at /debug/pprof/ to clients with access to that path; with
	// AuthNone on a loopback address only.
	Profiling bool

	// History is how long usage and counts are kept in memory; 0 disables the history.
	// HistoryMaxMemory limits the memory of all clusters' history, in bytes; 0 means no limit.
	History          time.Duration
	HistoryMaxMemory int64
	// StateMaxMemory limits the estimated memory of the states of all clusters, ClusterMaxMemory
	// that of one cluster, in bytes; 0 means no limit.
	StateMaxMemory, ClusterMaxMemory int64
	// QueryMaxSamples limits the samples in memory of one query of /prometheus.
	QueryMaxSamples int
	// Sinks are the URLs to which usage and counts are sent; see docs/SINKS.md.
	Sinks []string

	// AuditLog is the file of the audit log, or audit.Stdout; empty disables it.
	AuditLog string

	Version string
	Log     *slog.Logger

	// Listening and HealthListening are called with the address of each listener once it is open.
	// They may be nil.
	Listening, HealthListening func(net.Addr)
}

// Default returns the default configuration.
func Default() Config {
	return Config{
		Listen:      ":8443",
		Auth:        AuthKubernetes,
		Cache:       CacheMemory,
		LeaderElect: true,

		History:          15 * time.Minute,
		HistoryMaxMemory: 512 << 20,
		StateMaxMemory:   1 << 30,
		ClusterMaxMemory: 256 << 20,
		QueryMaxSamples:  prom.DefaultMaxSamples,

		Version: "unknown",
		Log:     slog.New(slog.DiscardHandler),
	}
}

// Validate returns an error that lists everything that is invalid, by the names of the flags.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	_, _, err := net.SplitHostPort(c.Listen)
	check(err == nil, "--listen %q is not host:port, such as :8443 or 127.0.0.1:8443", c.Listen)
	_, _, err = net.SplitHostPort(c.HealthListen)
	check(c.HealthListen == "" || err == nil, "--health-listen %q is not host:port, such as :8081", c.HealthListen)
	check(c.MaxConnections >= 0 && c.MaxConnectionsPerAddress >= 0, "--max-connections and --max-connections-per-address must not be negative; 0 means the default")
	_, err = connlimit.ParsePrefixes("--trusted-proxies", c.TrustedProxies)
	errs = append(errs, err)
	check((c.TLSCertFile == "") == (c.TLSKeyFile == ""), "--tls-cert-file and --tls-key-file must be set together")
	check((c.ServingCASecret == "") == (c.ServingCAConfigMap == ""), "--serving-ca-secret and --serving-ca-configmap must be set together")
	check(c.ServingCASecret != "" || len(c.ServingCertNames) == 0, "--serving-cert-names requires --serving-ca-secret: a certificate in files has its own names")
	check(slices.Contains([]string{AuthKubernetes, AuthNone}, c.Auth), "--auth %q must be %s or %s", c.Auth, AuthKubernetes, AuthNone)
	check(c.Auth != AuthKubernetes || !c.plainHTTP() || isLoopback(c.Listen),
		"--auth %s over plain HTTP on %s exposes the tokens of clients to anyone on the network path: set --tls-cert-file and --tls-key-file, remove --insecure, or listen on a loopback address", AuthKubernetes, c.Listen)
	check(c.Auth == AuthKubernetes || len(c.TokenAudiences) == 0 && c.ClientCAFile == "",
		"--token-audiences and --client-ca-file require --auth %s", AuthKubernetes)
	check(!slices.Contains(c.TokenAudiences, ""), "--token-audiences contains an empty audience")
	check(c.ClientCAFile == "" || !c.plainHTTP(), "--client-ca-file requires TLS: there are no client certificates over plain HTTP")
	check(c.Auth != AuthNone || c.Insecure || isLoopback(c.Listen),
		"--auth %s on %s lets anyone read every cluster: listen on a loopback address such as 127.0.0.1:8443, or set --insecure", AuthNone, c.Listen)
	check(!c.Profiling || c.Auth != AuthNone || isLoopback(c.Listen),
		"--profiling with --auth %s on %s lets anyone read profiles, which can contain secrets: listen on a loopback address", AuthNone, c.Listen)
	check(c.Auth == AuthNone || len(c.AllowedHosts) == 0, "--allowed-hosts requires --auth %s", AuthNone)
	errs = append(errs, c.validateDialFlags())
	check(c.Cache == CacheMemory || isRedis(c.Cache), "--cache must be %s or a URL that starts with redis:// or rediss://", CacheMemory)
	check((c.SigningKeySecret == "") == (c.SigningKeyConfigMap == ""), "--signing-key-secret and --signing-key-configmap must be set together")
	check(c.signs() || len(c.RotationSigningKeyFiles) == 0, "--rotation-signing-key-file requires --signing-key-file or --signing-key-secret: it adds accepted keys but does not sign")
	check(c.History == 0 || c.History >= minHistory && c.History <= maxHistory,
		"--history %s must be 0, which disables it, or from %s to %s", c.History, minHistory, maxHistory)
	check(c.QueryMaxSamples > 0, "--query-max-samples %d must be greater than 0", c.QueryMaxSamples)
	check(c.HistoryMaxMemory >= 0, "--history-max-memory %d must not be negative; 0 means no limit", c.HistoryMaxMemory)
	check(c.StateMaxMemory >= 0, "%s %d must not be negative; 0 means no limit", budget.TotalFlag, c.StateMaxMemory)
	check(c.ClusterMaxMemory >= 0, "%s %d must not be negative; 0 means no limit", budget.ClusterFlag, c.ClusterMaxMemory)
	errs = append(errs, sink.Validate(c.Sinks))
	return errors.Join(errs...)
}

// signs reports whether the master has a signing key.
func (c *Config) signs() bool { return c.SigningKeyFile != "" || c.SigningKeySecret != "" }

// plainHTTP reports whether clients are served without TLS.
func (c *Config) plainHTTP() bool {
	return c.Insecure && c.TLSCertFile == "" && c.ServingCASecret == ""
}

// isLoopback reports whether a listen address is reachable from this machine only.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// isRedis reports whether a value of --cache is the URL of a Redis.
func isRedis(cache string) bool {
	return strings.HasPrefix(cache, "redis://") || strings.HasPrefix(cache, "rediss://")
}

// warn logs the security risks of the configuration.
func (c *Config) warn() {
	if c.Auth == AuthNone {
		c.Log.Warn("anyone who reaches this master can read every cluster (--auth none)", "address", c.Listen)
	}
	if c.Insecure {
		c.Log.Warn("INSECURE: agents may be dialed over plain ws: anyone on the network path can read and modify everything")
	}
	if c.DialProxy != "" {
		c.Log.Warn("agents are dialed through a proxy (--dial-proxy), which decides which addresses can be reached: it has to refuse link-local addresses and metadata services", "proxy", c.DialProxy)
	}
	if !c.signs() {
		c.Log.Warn("agents are dialed without a token, so only those with --auth none accept: set --signing-key-secret and --signing-key-configmap in a cluster, or run `rollcall-master keygen PATH` and set --signing-key-file")
	}
	if !c.signs() && isRedis(c.Cache) {
		c.Log.Warn("anyone who can write to Redis can forge the state of clusters, for up to their TTL: set --signing-key-file or --signing-key-secret to sign what is stored in Redis")
	}
}
