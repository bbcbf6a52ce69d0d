package session

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

// bindingOf returns the binding that a Hello requests. An attacker gains nothing from a false Hello: an agent
// that requires a bound signature refuses all others.
func bindingOf(h *wire.Hello) Binding {
	switch {
	case h.Nonce == nil:
		return BindingUnsigned
	case h.Unbound:
		return BindingOff
	}
	return BindingTLS
}

// connSigner signs the statements of one connection. A nil connSigner signs nothing, for an agent that
// verifies no signatures.
type connSigner struct {
	signer    *token.Signer
	statement token.Statement
}

// newConnSigner returns the signer for a connection whose agent has sent Hello.
func (d *dialer) newConnSigner(req dialRequest, h *wire.Hello, c *conn) (*connSigner, *failure) {
	channel := c.channel
	switch binding := bindingOf(h); {
	case binding == BindingUnsigned:
		return nil, nil
	case d.signer == nil:
		return nil, failed(Unauthorized, "dial %s: the agent requires signed requests: start the master with --signing-key-file", req.cluster.Endpoint)
	case binding == BindingOff:
		channel = token.Unbound
	case c.channelErr != nil:
		return nil, failed(Unauthorized, "dial %s: the agent requires signatures that are bound to its TLS connection, which is impossible: %w: use wss:// up to the agent itself, or start the agent with --channel-binding=off",
			req.cluster.Endpoint, c.channelErr)
	}
	return &connSigner{d.signer, token.Statement{Cluster: req.cluster.Name, MasterID: d.masterID, Session: req.session, Channel: channel}}, nil
}

// sign returns the signature over a nonce, or nil if the agent sent no nonce.
func (s *connSigner) sign(domain token.Domain, nonce []byte) []byte {
	if s == nil || nonce == nil {
		return nil
	}
	statement := s.statement
	statement.Domain, statement.Nonce = domain, nonce
	return s.signer.SignStatement(statement)
}
