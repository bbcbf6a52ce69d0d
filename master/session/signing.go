package session

import (
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// Binding says what a master's signatures hold for on the connection to a cluster's agent.
type Binding string

// Bindings, as an agent said in its last Hello.
const (
	// BindingUnknown: no agent has said Hello yet.
	BindingUnknown Binding = ""
	// BindingTLS: for the TLS connection alone.
	BindingTLS Binding = "TLS"
	// BindingOff: for any connection, as the agent runs with --channel-binding=off.
	BindingOff Binding = "Off"
	// BindingUnsigned: there are none, as the agent runs with --auth none.
	BindingUnsigned Binding = "Unsigned"
)

// bindingOf returns what a Hello says. It is the agent's own decision, and what a false one
// says gains nothing: an agent that wants its connection signed refuses the rest.
func bindingOf(h *wire.Hello) Binding {
	switch {
	case h.Nonce == nil:
		return BindingUnsigned
	case h.Unbound:
		return BindingOff
	}
	return BindingTLS
}

// connSigner is what a master's signatures on one connection have in common. A nil signing is
// of an agent that checks none.
type connSigner struct {
	signer    *token.Signer
	statement token.Statement
}

// newConnSigner returns the signing for a call that was answered by a Hello on a link.
func (d *dialer) newConnSigner(req dialRequest, h *wire.Hello, conn *conn) (*connSigner, *failure) {
	channel := conn.channel
	switch binding := bindingOf(h); {
	case binding == BindingUnsigned:
		return nil, nil
	case d.signer == nil:
		return nil, failed(Unauthorized, "dial %s: the agent wants what it is asked signed: start the master with --signing-key-file", req.cluster.Endpoint)
	case binding == BindingOff:
		channel = token.Unbound
	case conn.channelErr != nil:
		return nil, failed(Unauthorized, "dial %s: the agent wants signatures that are bound to its TLS connection, and the master has none: %w: use wss:// up to the agent itself, or start the agent with --channel-binding=off",
			req.cluster.Endpoint, conn.channelErr)
	}
	return &connSigner{d.signer, token.Statement{Cluster: req.cluster.Name, MasterID: d.masterID, Session: req.session, Channel: channel}}, nil
}

// sign returns the signature over a nonce; nil where the agent gave none.
func (s *connSigner) sign(domain token.Domain, nonce []byte) []byte {
	if s == nil || nonce == nil {
		return nil
	}
	statement := s.statement
	statement.Domain, statement.Nonce = domain, nonce
	return s.signer.SignStatement(statement)
}
