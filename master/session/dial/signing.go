package dial

import (
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// Binding says to which connections a master's signatures are bound.
type Binding string

// Bindings, according to the agent's last Hello.
const (
	// BindingUnknown means that no agent has sent Hello yet.
	BindingUnknown Binding = ""
	// BindingTLS means that signatures are bound to the TLS connection.
	BindingTLS Binding = "TLS"
	// BindingOff means that signatures are not bound, since the agent runs with --channel-binding=off.
	BindingOff Binding = "Off"
	// BindingUnsigned means that there are no signatures, since the agent runs with --auth none.
	BindingUnsigned Binding = "Unsigned"
)

// BindingOf returns the binding that a Hello requests. An attacker gains nothing from a false Hello: an agent
// that requires a bound signature refuses all others.
func BindingOf(h *wire.Hello) Binding {
	switch {
	case h.Nonce == nil:
		return BindingUnsigned
	case h.Unbound:
		return BindingOff
	}
	return BindingTLS
}

// signer signs the statements of one connection. A nil signer signs nothing, for an agent that
// verifies no signatures.
type signer struct {
	signer    *token.Signer
	statement token.Statement
}

// newSigner returns the signer for a connection whose agent has sent Hello.
func (d *Dialer) newSigner(t Target, session string, h *wire.Hello, c *Conn) (*signer, *Failure) {
	channel := c.channel
	switch binding := BindingOf(h); {
	case binding == BindingUnsigned:
		return nil, nil
	case d.Signer == nil:
		return nil, Failf(Unauthorized, "%s: the agent requires signed requests: start the master with --signing-key-file", t)
	case binding == BindingOff:
		channel = token.Unbound
	case c.channelErr != nil:
		return nil, Failf(Unauthorized, "%s: the agent requires signatures that are bound to its TLS connection, which is impossible: %w: use wss:// up to the agent itself, or start the agent with --channel-binding=off",
			t, c.channelErr)
	}
	return &signer{d.Signer, token.Statement{Cluster: t.Cluster, MasterID: d.MasterID, Session: session, Channel: channel}}, nil
}

// sign returns the signature over a nonce and a term, 0 for none, or nil if the agent sent no nonce.
func (s *signer) sign(domain token.Domain, term uint64, nonce []byte) []byte {
	if s == nil || nonce == nil {
		return nil
	}
	statement := s.statement
	statement.Domain, statement.Term, statement.Nonce = domain, term, nonce
	return s.signer.SignStatement(statement)
}
