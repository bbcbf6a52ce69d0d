package session

import (
	"net/url"
	"reflect"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Registry knows the clusters that there are. It is read often and answers from
// memory.
type Registry interface {
	// Resolve is the name of the cluster that a client means by its name or one of
	// its addresses.
	Resolve(nameOrIP string) (name string, ok bool)
	// Cluster is the cluster of that name.
	Cluster(name string) (Cluster, bool)
}

// Cluster is what the Registry knows of one member cluster.
type Cluster struct {
	Name string
	// Generation grows with every change of what a person says about the cluster.
	Generation int64
	// Endpoint is ws:// or wss://, host and port.
	Endpoint string
	// ExpectedUID is the only cluster that may answer; empty: whichever answers first.
	ExpectedUID string
	TLS         TLS
	// Continuous wants the cluster always, whether or not anybody asks.
	Continuous bool
	// RequestPeriod is shorter than CacheTTL and than SessionDuration.
	RequestPeriod, SessionDuration, CacheTTL time.Duration
	// IdleRefresh is how often a summary is asked for while no session is open; zero:
	// never.
	IdleRefresh time.Duration
	// Ignore is what does not count for the cluster's health.
	Ignore    []state.Ignore
	Suspended bool
	// Invalid says in words why the cluster cannot be dialed at all; empty: it can.
	Invalid string
}

// TLS is what an agent's certificate is held against.
type TLS struct {
	// CABundle is PEM; empty: the authorities that the host trusts.
	CABundle []byte
	// ServerName is the name that the certificate must be for; empty: the endpoint's host.
	ServerName string
	// PinnedSHA256 are keys that the agent may show, as SHA-256 of the certificate's
	// SubjectPublicKeyInfo in hex. With a pin and no CABundle the pin alone is the trust.
	PinnedSHA256 []string
}

// Check returns an UnreachableError with the reason EndpointInvalid or TLSInvalid if the
// cluster cannot be dialed. insecure allows plain ws.
func (c Cluster) Check(insecure bool) error {
	if f := c.validate(insecure); f != nil {
		return &UnreachableError{Reason: f.reason, Err: f}
	}
	return nil
}

func (c Cluster) validate(insecure bool) *failure {
	if c.Invalid != "" {
		return failed(EndpointInvalid, "%s", c.Invalid)
	}
	u, err := url.Parse(c.Endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return failed(EndpointInvalid, "the endpoint %q is not of the form wss://host:port", c.Endpoint)
	case u.Scheme == "ws" && insecure:
		return nil
	case u.Scheme == "ws":
		return failed(EndpointInvalid, "the endpoint %s is not encrypted: use wss://, or run master and agent with --insecure and the agent with --channel-binding=off", c.Endpoint)
	case u.Scheme != "wss":
		return failed(EndpointInvalid, "the endpoint %q must begin with wss://", c.Endpoint)
	}
	_, err = c.TLS.tlsConfig(u.Hostname())
	if err != nil {
		return failed(TLSInvalid, "%w", err)
	}
	return nil
}

// sameSession reports whether a session dialed with c also serves o, because everything that it
// depends on is equal.
func (c Cluster) sameSession(o Cluster) bool {
	return c.sameEndpoint(o) && c.RequestPeriod == o.RequestPeriod && c.SessionDuration == o.SessionDuration && c.CacheTTL == o.CacheTTL
}

// sameEndpoint reports whether both entries lead to the same agent with the same trust.
func (c Cluster) sameEndpoint(o Cluster) bool {
	return c.Endpoint == o.Endpoint && reflect.DeepEqual(c.TLS, o.TLS)
}
