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

// Ways to know who asks.
const (
	AuthKubernetes = "kubernetes"
	AuthNone       = "none"
)

// Bounds of Config.History: less holds too few readings for a rate, and more is a
// database's work.
const (
	minHistory = time.Minute
	maxHistory = 6 * time.Hour
)

// CacheMemory keeps clusters in this process only.
const CacheMemory = "memory"

// Config is what a master is told. Default has a value for everything.
type Config struct {
	// Kubeconfig is the hub's; empty: in-cluster, then $KUBECONFIG.
	Kubeconfig string

	// Listen serves clients, health and metrics, as host:port. HealthListen serves health by
	// plain HTTP, whatever is open at Listen; empty: nowhere.
	Listen, HealthListen    string
	TLSCertFile, TLSKeyFile string
	// ServingCASecret and ServingCAConfigMap name objects in the master's namespace, by which
	// all replicas share a CA that signs their serving certificates, where there are no
	// files; see package servingcert. Empty: there is none. ServingCertNames are DNS names
	// and IP addresses of these certificates, besides those of the Service and of localhost.
	ServingCASecret, ServingCAConfigMap string
	ServingCertNames                    []string
	// Auth is AuthKubernetes, by which the hub says who a client is and what it may see,
	// or AuthNone.
	Auth string
	// TokenAudiences are those of which a client's token must have one; empty: those of
	// the hub's API server. AuthKubernetes only.
	TokenAudiences []string
	// ClientCAFile has the authorities of client certificates; empty: the hub's own.
	// AuthKubernetes only.
	ClientCAFile string
	// Insecure serves plain HTTP where no certificate is given, dials agents by plain
	// ws where their endpoint says so, and allows AuthNone on any address. AuthKubernetes
	// over plain HTTP is possible on a loopback address only: anyone on the network path could
	// take a client's token and be that client, on the hub too.
	Insecure bool

	// MaxConnections limits the connections of clients open at once; 0: half of the
	// files that the process may have open, and 20,000 at most. MaxConnectionsPerAddress is
	// how many of them are of one address (IPv6: /64) whose clients are not authenticated;
	// 0: 256, or with AuthNone no limit.
	MaxConnections, MaxConnectionsPerAddress int
	// TrustedProxies lists CIDRs or addresses of proxies whose X-Forwarded-For is believed.
	TrustedProxies []string

	// Cache is CacheMemory, or the URL of Redis: redis://… or rediss://….
	Cache string
	// SigningKeyFile has the private key of the tokens that dials carry, and of what is
	// written to Redis; empty: dials carry none, and what is in Redis proves nothing.
	SigningKeyFile string
	// RotationSigningKeyFiles have further private keys, of masters that have not changed
	// to SigningKeyFile yet, or have changed already: what those write to Redis is read
	// too. They sign nothing.
	RotationSigningKeyFiles []string
	// Which addresses of ClusterAgents are dialed: loopback addresses and the hub's API
	// server only where said so; of the others those in DialAllow, where it is not empty,
	// and none in DialDeny. Both are CIDRs or addresses. See package egress.
	DialLoopback, DialHubAPI bool
	DialAllow, DialDeny      []string
	// DialProxy is the URL of the proxy that agents are dialed through, which then decides
	// what addresses are reached; empty: none, whatever the environment says.
	DialProxy string
	// AllowedHosts are names that requests may be for with AuthNone, besides localhost.
	AllowedHosts []string
	// LeaderElect lets one of several masters reconcile, dial and answer, by a Lease in
	// LeaderElectionNamespace; empty: the pod's namespace, else rollcall-system.
	LeaderElect             bool
	LeaderElectionNamespace string

	// Profiling serves Go's profiles at /debug/pprof/, to who may get that path; with AuthNone
	// on a loopback address only.
	Profiling bool

	// History is for how long each cluster's usage and counts are kept in memory; 0: not
	// at all. HistoryMaxMemory bounds them, in bytes of all clusters together; 0: there is
	// no bound.
	History          time.Duration
	HistoryMaxMemory int64
	// StateMaxMemory bounds what the states of all clusters take together, as it is estimated,
	// and ClusterMaxMemory what that of one takes, in bytes; 0: there is no bound.
	StateMaxMemory, ClusterMaxMemory int64
	// QueryMaxSamples is how many samples one query of /prometheus may have in memory.
	QueryMaxSamples int
	// Sinks are the URLs of what gets all readings; see docs/SINKS.md.
	Sinks []string

	Version string
	Log     *slog.Logger

	// Listening is called with the address once it is open, for who listens on port 0, and
	// HealthListening with that of health; may be nil.
	Listening, HealthListening func(net.Addr)
}

// Default is the Config of a master that is told nothing.
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

// Validate says everything that is wrong with a Config, in words for whoever wrote
// the command line.
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
	check(c.MaxConnections >= 0 && c.MaxConnectionsPerAddress >= 0, "--max-connections and --max-connections-per-address are not below 0, which is the default")
	_, err = connlimit.ParsePrefixes("--trusted-proxies", c.TrustedProxies)
	errs = append(errs, err)
	check((c.TLSCertFile == "") == (c.TLSKeyFile == ""), "--tls-cert-file and --tls-key-file go together")
	check((c.ServingCASecret == "") == (c.ServingCAConfigMap == ""), "--serving-ca-secret and --serving-ca-configmap go together")
	check(c.ServingCASecret != "" || len(c.ServingCertNames) == 0, "--serving-cert-names means nothing without --serving-ca-secret: a certificate in files has its names")
	check(slices.Contains([]string{AuthKubernetes, AuthNone}, c.Auth), "--auth %q is neither %s nor %s", c.Auth, AuthKubernetes, AuthNone)
	check(c.Auth != AuthKubernetes || !c.plainHTTP() || isLoopback(c.Listen),
		"--auth %s by plain HTTP on %s gives the tokens of clients to anyone on the network path: give --tls-cert-file and --tls-key-file, leave out --insecure, or listen on a loopback address", AuthKubernetes, c.Listen)
	check(c.Auth == AuthKubernetes || len(c.TokenAudiences) == 0 && c.ClientCAFile == "",
		"--token-audiences and --client-ca-file mean nothing with --auth %s", c.Auth)
	check(!slices.Contains(c.TokenAudiences, ""), "--token-audiences has an empty one")
	check(c.ClientCAFile == "" || !c.plainHTTP(), "--client-ca-file means nothing by plain HTTP: there are no client certificates without TLS")
	check(c.Auth != AuthNone || c.Insecure || isLoopback(c.Listen),
		"--auth %s on %s lets anybody read every cluster: listen on a loopback address such as 127.0.0.1:8443, or say --insecure", AuthNone, c.Listen)
	check(!c.Profiling || c.Auth != AuthNone || isLoopback(c.Listen),
		"--profiling with --auth %s on %s lets anybody read profiles, which hold secrets: listen on a loopback address", AuthNone, c.Listen)
	check(c.Auth == AuthNone || len(c.AllowedHosts) == 0, "--allowed-hosts means nothing with --auth %s", c.Auth)
	errs = append(errs, c.validateDials())
	check(c.Cache == CacheMemory || isRedis(c.Cache), "--cache is neither %s nor a URL that begins with redis:// or rediss://", CacheMemory)
	check(c.SigningKeyFile != "" || len(c.RotationSigningKeyFiles) == 0, "--rotation-signing-key-file is for a key besides that of --signing-key-file, which is missing")
	check(c.History == 0 || c.History >= minHistory && c.History <= maxHistory,
		"--history %s is neither 0, which is off, nor from %s to %s", c.History, minHistory, maxHistory)
	check(c.QueryMaxSamples > 0, "--query-max-samples %d leaves no room for an answer", c.QueryMaxSamples)
	check(c.HistoryMaxMemory >= 0, "--history-max-memory %d is less than nothing; 0 is no bound", c.HistoryMaxMemory)
	check(c.StateMaxMemory >= 0, "%s %d is less than nothing; 0 is no bound", budget.TotalFlag, c.StateMaxMemory)
	check(c.ClusterMaxMemory >= 0, "%s %d is less than nothing; 0 is no bound", budget.ClusterFlag, c.ClusterMaxMemory)
	errs = append(errs, sink.Validate(c.Sinks))
	return errors.Join(errs...)
}

// plainHTTP says that clients are served without TLS.
func (c *Config) plainHTTP() bool {
	return c.Insecure && c.TLSCertFile == "" && c.ServingCASecret == ""
}

// isLoopback says that an address to listen on can be reached from this machine only.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func isRedis(cache string) bool {
	return strings.HasPrefix(cache, "redis://") || strings.HasPrefix(cache, "rediss://")
}

// warn says loudly what a Config gives up.
func (c *Config) warn() {
	if c.Auth == AuthNone {
		c.Log.Warn("anyone who reaches this master can read every cluster (--auth none)", "address", c.Listen)
	}
	if c.Insecure {
		c.Log.Warn("INSECURE: agents may be dialed by plain ws: anyone on the network path can read and change everything")
	}
	if c.DialProxy != "" {
		c.Log.Warn("agents are dialed through a proxy, which decides what addresses are reached: link-local and metadata addresses are for it to refuse (--dial-proxy)", "proxy", c.DialProxy)
	}
	if c.SigningKeyFile == "" {
		c.Log.Warn("dials carry no token, so only agents with --auth none answer; `rollcall-master keygen PATH` makes a key for --signing-key-file")
	}
	if c.SigningKeyFile == "" && isRedis(c.Cache) {
		c.Log.Warn("who can write to Redis can make up what clusters report, for up to their TTL: without --signing-key-file nothing in Redis proves who wrote it")
	}
}
