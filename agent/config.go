package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/token"
)

// Ways to know who dials, whether signatures are bound to the connection, and where usage
// comes from.
const (
	AuthToken = "token"
	AuthNone  = "none"

	BindingRequired = "required"
	BindingOff      = "off"

	UsageMetricsAPI = "metrics-api"
	UsageNone       = "none"
)

// Config is what an agent is told. Default has every value but ClusterName.
type Config struct {
	// Kubeconfig is the member cluster's; empty: in-cluster, then $KUBECONFIG.
	Kubeconfig  string
	ClusterName string

	// Listen serves masters and health, MetricsListen the agent's own metrics, and
	// HealthListen health by plain HTTP, whatever is open at Listen (empty: nowhere). All are
	// host:port.
	Listen, MetricsListen, HealthListen string
	// MaxConnections limits the connections open at once at Listen; 0: half of the files
	// that the process may have open, and 512 at most. MaxConnectionsPerAddress is how many
	// of them are of one address (IPv6: /64) whose callers are not authenticated; 0: 64.
	MaxConnections, MaxConnectionsPerAddress int
	// TrustedProxies lists CIDRs or addresses of proxies between masters and the agent, whose
	// X-Forwarded-For is believed.
	TrustedProxies          []string
	TLSCertFile, TLSKeyFile string
	// Profiling serves Go's profiles at MetricsListen, which must be a loopback address then,
	// since callers are not authenticated there.
	Profiling bool
	// Auth selects how masters authenticate: AuthToken, with the keys in MasterPublicKeyFiles,
	// or AuthNone. The files are read again every few seconds; sessions of a removed key end.
	Auth                 string
	MasterPublicKeyFiles []string
	// ChannelBinding selects whether a master's signatures have to cover the TLS connection
	// that ends here (BindingRequired), or not (BindingOff: for plain ws, or where a proxy
	// before the agent ends TLS). Anyone on the network path can then use the connection.
	ChannelBinding string
	// Insecure serves plain ws where no certificate is given, and allows AuthNone on
	// any address.
	Insecure bool

	// UsageSource is UsageMetricsAPI, read every UsagePeriod while anybody wants it, or
	// UsageNone.
	UsageSource string
	UsagePeriod time.Duration
	// MinRequestPeriod and MaxSession are what is granted at most, whatever a master
	// asks for.
	MinRequestPeriod, MaxSession time.Duration

	Version string
	Log     *slog.Logger
	// Settled is called once the whole cluster has been read, before the memory that this
	// took is given back; nil: nobody waits for it.
	Settled func()
	// Encoding is called when a snapshot is encoded, and done when it is; nil: nobody is
	// told.
	Encoding func() (done func())

	// Listening is told the addresses once they are open, for who listens on port 0;
	// may be nil.
	Listening func(Addresses)
}

// Addresses lists where an agent listens. Metrics and Health are nil where they are not
// served apart.
type Addresses struct{ Masters, Metrics, Health net.Addr }

// Default returns the default Config of an agent.
func Default() Config {
	return Config{
		Listen:           ":7443",
		MetricsListen:    "127.0.0.1:7444",
		Auth:             AuthToken,
		ChannelBinding:   BindingRequired,
		UsageSource:      UsageMetricsAPI,
		UsagePeriod:      15 * time.Second,
		MinRequestPeriod: time.Second,
		MaxSession:       30 * time.Minute,
		Version:          "unknown",
		Log:              slog.New(slog.DiscardHandler),
	}
}

// Validate returns all errors of a Config in terms of the command line's flags.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	errs = append(errs, validateClusterName(c.ClusterName))
	check((c.TLSCertFile == "") == (c.TLSKeyFile == ""), "--tls-cert-file and --tls-key-file go together")
	check(slices.Contains([]string{AuthToken, AuthNone}, c.Auth), "--auth %q is neither %s nor %s", c.Auth, AuthToken, AuthNone)
	check(c.Auth != AuthToken || len(c.MasterPublicKeyFiles) > 0,
		"--auth %s needs --master-public-key-file: the .pub file that `rollcall-master keygen` writes", AuthToken)
	check(slices.Contains([]string{BindingRequired, BindingOff}, c.ChannelBinding), "--channel-binding %q is neither %s nor %s", c.ChannelBinding, BindingRequired, BindingOff)
	check(c.Auth != AuthToken || c.ChannelBinding != BindingRequired || !c.servesPlain(),
		"--insecure without --tls-cert-file serves plain ws, and a master's signature cannot be bound to that: give a certificate, or say --channel-binding=%s, by which anyone on the network path can read and use each connection", BindingOff)
	check(c.Auth != AuthNone || c.Insecure || isLoopback(c.Listen),
		"--auth %s on %s lets anybody read the cluster: listen on a loopback address, or say --insecure", AuthNone, c.Listen)
	check(c.MaxConnections >= 0 && c.MaxConnectionsPerAddress >= 0, "--max-connections and --max-connections-per-address are not below 0, which is the default")
	_, err := connlimit.ParsePrefixes("--trusted-proxies", c.TrustedProxies)
	errs = append(errs, err)
	check(!c.Profiling || isLoopback(c.MetricsListen),
		"--profiling with --metrics-listen %q would let anybody read profiles, which hold secrets: give a loopback address such as 127.0.0.1:7444, and reach it by `kubectl port-forward`", c.MetricsListen)
	check(slices.Contains([]string{UsageMetricsAPI, UsageNone}, c.UsageSource), "--usage-source %q is neither %s nor %s", c.UsageSource, UsageMetricsAPI, UsageNone)
	check(c.UsagePeriod >= time.Second, "--usage-period %s is below 1s", c.UsagePeriod)
	check(c.MinRequestPeriod > 0, "--min-request-period %s is not above zero", c.MinRequestPeriod)
	check(c.MaxSession > c.MinRequestPeriod, "--max-session %s is not above --min-request-period %s", c.MaxSession, c.MinRequestPeriod)
	return errors.Join(errs...)
}

// validateClusterName returns an error if the name of the cluster is invalid. An unset variable
// arrives as it is written in the pod's manifest.
func validateClusterName(name string) error {
	if name == "" || strings.Contains(name, "$(") {
		return errors.New("--cluster-name is missing, and has no default: it is the name of this cluster's ClusterAgent on the hub. " +
			"For the agent of config/agent: kubectl -n rollcall-system create configmap rollcall-agent --from-literal=cluster-name=NAME")
	}
	if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		return fmt.Errorf("--cluster-name %q cannot be the name of a ClusterAgent: %s", name, strings.Join(wrong, "; "))
	}
	return nil
}

// isLoopback reports whether an address to listen on is reachable from this machine only.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// servesPlain reports whether masters are served by plain ws.
func (c *Config) servesPlain() bool { return c.TLSCertFile == "" && c.Insecure }

// verifier checks the tokens of dials; nil where anybody may dial.
func (c *Config) verifier() (*token.Verifier, error) {
	if c.Auth == AuthNone {
		return nil, nil
	}
	keys, err := token.ReadPublicKeys(c.MasterPublicKeyFiles...)
	if err != nil {
		return nil, err
	}
	return token.NewVerifier(c.ClusterName, keys...), nil
}
