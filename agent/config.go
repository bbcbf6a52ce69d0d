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

// Values of Config.Auth, Config.ChannelBinding and Config.UsageSource.
const (
	// AuthToken authenticates masters by tokens and signatures.
	AuthToken = "token"
	// AuthNone accepts any client.
	AuthNone = "none"

	// BindingRequired requires signatures to cover the TLS connection.
	BindingRequired = "required"
	// BindingOff accepts signatures that do not cover the TLS connection.
	BindingOff = "off"

	// UsageMetricsAPI reads usage from metrics.k8s.io.
	UsageMetricsAPI = "metrics-api"
	// UsageNone reads no usage.
	UsageNone = "none"
)

// Config holds the settings of an agent. Default returns one in which only ClusterName and, with AuthToken,
// MasterPublicKeyFiles are missing.
type Config struct {
	// Kubeconfig is the path of the kubeconfig of the member cluster. If it is empty, the pod's service account
	// is used, else $KUBECONFIG.
	Kubeconfig string
	// ClusterName is the name of the cluster's ClusterAgent on the hub.
	ClusterName string

	// Listen is the address for masters and health checks. MetricsListen is the address for the agent's own
	// metrics. HealthListen is the address for health checks by plain HTTP, which work even if Listen has reached its
	// connection limit. The format is host:port. The last two may be empty.
	Listen, MetricsListen, HealthListen string
	// MaxConnections limits the open connections at Listen. 0 means half of the process's limit of open files, at
	// most 512. MaxConnectionsPerAddress limits the unauthenticated ones of one address (IPv6: /64). 0 means 64.
	MaxConnections, MaxConnectionsPerAddress int
	// TrustedProxies lists CIDRs or addresses of proxies between masters and the agent whose X-Forwarded-For header
	// is trusted.
	TrustedProxies []string
	// TLSCertFile and TLSKeyFile are the paths of the certificate and its key at Listen. If they are empty, the
	// agent uses TLSSecret. If that is empty too, it uses a self-signed certificate in memory, or plain ws if Insecure
	// is set.
	TLSCertFile, TLSKeyFile string
	// TLSSecret names a Secret in the agent's namespace, in which the agent stores a certificate and key if it is
	// empty. TLSPinConfigMap names the ConfigMap in which it publishes their pin.
	TLSSecret, TLSPinConfigMap string
	// Profiling serves Go profiles at MetricsListen. MetricsListen must then be a loopback address, because it has no
	// authentication.
	Profiling bool
	// Auth selects how masters authenticate: AuthToken, with the keys in MasterPublicKeyFiles,
	// or AuthNone. The files are reloaded every keysPeriod. The sessions of a removed key end.
	Auth                 string
	MasterPublicKeyFiles []string
	// ChannelBinding selects whether a master's signatures must cover the TLS connection to this agent
	// (BindingRequired) or not (BindingOff). BindingOff is for plain ws, or if a proxy terminates TLS. Anyone on the
	// network path can then use the connection.
	ChannelBinding string
	// Hub has the address of the masters, wss://host:port, if the agent is to dial them, or "" if masters dial the
	// agent only. HubCAFile has the CA certificates of the masters in PEM; the default is those of the system.
	// HubServerName is the name in the masters' certificate; the default is the host of Hub.
	// HubPins has the accepted keys of the masters, as tlsfiles.Pin returns them. HubProxy is the URL of a proxy;
	// the default is that of the environment (HTTPS_PROXY, NO_PROXY).
	Hub, HubCAFile string
	HubServerName  string
	HubPins        []string
	HubProxy       string
	// JoinTokenFile has a join token, if it exists and is not empty. It replaces ClusterName, Hub, HubCAFile, HubPins and
	// MasterPublicKeyFiles where these are not set.
	JoinTokenFile string
	// ServiceAccountTokenFile has a token of the agent's service account for the hub, which is read for each use.
	// UnboundServiceAccountToken sends it also with BindingOff.
	ServiceAccountTokenFile    string
	UnboundServiceAccountToken bool
	// Insecure serves plain ws if no certificate is set, and allows AuthNone on any address.
	Insecure bool

	// UsageSource is UsageMetricsAPI, which is read every UsagePeriod while a session is open, or UsageNone.
	UsageSource string
	UsagePeriod time.Duration
	// MinRequestPeriod is the shortest period and MaxSession the longest duration that a session is granted.
	MinRequestPeriod, MaxSession time.Duration

	// Version is the version of the agent that masters see.
	Version string
	Log     *slog.Logger

	// OnSynced is called once, after nodes and pods have been listed for the first time. It may be nil.
	OnSynced func()
	// OnEncode is called before a snapshot is encoded, and done afterwards. It may be nil.
	OnEncode func() (done func())
	// OnListening is called with the addresses after they are open. With it, tests can listen on port 0. It may be
	// nil.
	OnListening func(Addresses)
}

// Addresses lists the addresses on which an agent listens. Metrics and Health are nil if they have no address of their
// own.
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

// Validate returns all errors of a Config, in terms of the command line's flags.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	errs = append(errs, validateClusterName(c.ClusterName))
	check((c.TLSCertFile == "") == (c.TLSKeyFile == ""), "--tls-cert-file and --tls-key-file must be set together")
	check((c.TLSSecret == "") == (c.TLSPinConfigMap == ""), "--tls-secret and --tls-pin-configmap must be set together")
	check(slices.Contains([]string{AuthToken, AuthNone}, c.Auth), "--auth %q is neither %s nor %s", c.Auth, AuthToken, AuthNone)
	check(c.Auth != AuthToken || len(c.MasterPublicKeyFiles) > 0 || c.JoinTokenFile != "",
		"--auth %s needs --master-public-key-file or --join-token-file: set it to the .pub file that `rollcall-master keygen` writes", AuthToken)
	check(slices.Contains([]string{BindingRequired, BindingOff}, c.ChannelBinding), "--channel-binding %q is neither %s nor %s", c.ChannelBinding, BindingRequired, BindingOff)
	check(c.Auth != AuthToken || c.ChannelBinding != BindingRequired || !c.servesPlain(),
		"--insecure without --tls-cert-file serves plain ws, and a master's signature cannot be bound to a connection without TLS: set --tls-cert-file and --tls-key-file, or set --channel-binding=%s, with which anyone on the network path can read and use each connection", BindingOff)
	check(c.Auth != AuthNone || c.Insecure || isLoopback(c.Listen),
		"--auth %s on %s lets any client read the cluster: listen on a loopback address, or set --insecure", AuthNone, c.Listen)
	check(c.MaxConnections >= 0 && c.MaxConnectionsPerAddress >= 0, "--max-connections %d and --max-connections-per-address %d must not be negative; 0 selects the default", c.MaxConnections, c.MaxConnectionsPerAddress)
	_, err := connlimit.ParsePrefixes("--trusted-proxies", c.TrustedProxies)
	errs = append(errs, err)
	check(!c.Profiling || isLoopback(c.MetricsListen),
		"--profiling with --metrics-listen %q would let any client read profiles, which contain secrets: set a loopback address such as 127.0.0.1:7444, and connect with `kubectl port-forward`", c.MetricsListen)
	check(slices.Contains([]string{UsageMetricsAPI, UsageNone}, c.UsageSource), "--usage-source %q is neither %s nor %s", c.UsageSource, UsageMetricsAPI, UsageNone)
	errs = append(errs, c.validateHub())
	check(c.UsagePeriod >= time.Second, "--usage-period %s must be at least 1s", c.UsagePeriod)
	check(c.MinRequestPeriod > 0, "--min-request-period %s must be greater than 0", c.MinRequestPeriod)
	check(c.MaxSession > c.MinRequestPeriod, "--max-session %s must be greater than --min-request-period %s", c.MaxSession, c.MinRequestPeriod)
	return errors.Join(errs...)
}

// validateClusterName returns an error if the name of the cluster is missing or invalid. If the variable in the pod's
// manifest is not set, the name is the unexpanded "$(CLUSTER_NAME)".
func validateClusterName(name string) error {
	if name == "" || strings.Contains(name, "$(") {
		return errors.New("--cluster-name is required: set it to the name of this cluster's ClusterAgent on the hub. " +
			"For the agent of config/agent: kubectl -n rollcall-system create configmap rollcall-agent --from-literal=cluster-name=NAME")
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return fmt.Errorf("--cluster-name %q is not a valid name of a ClusterAgent: %s", name, strings.Join(problems, "; "))
	}
	return nil
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

// servesPlain reports whether the agent serves plain ws.
func (c *Config) servesPlain() bool {
	return c.TLSCertFile == "" && c.TLSSecret == "" && c.Insecure
}

// usesOwnCertificate reports whether the agent keeps its certificate in a Secret.
func (c *Config) usesOwnCertificate() bool { return c.TLSCertFile == "" && c.TLSSecret != "" }

// verifier returns the verifier of tokens and signatures, or nil for AuthNone. It accepts no master while there is no
// public key yet.
func (c *Config) verifier() (*token.Verifier, error) {
	if c.Auth == AuthNone {
		return nil, nil
	}
	keys, err := c.masterKeys()
	if err != nil && !errors.Is(err, token.ErrNotYet) {
		return nil, err
	}
	return token.NewVerifier(c.ClusterName, keys...), nil
}
