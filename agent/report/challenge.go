package report

import (
	"crypto/ed25519"
	"net/http"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// challenge issues the nonces of one connection and verifies the signatures over them. Only the connection's
// goroutine may use it. A nil challenge requires no signatures, so any client may read the cluster.
type challenge struct {
	verifier *token.Verifier
	cluster  string
	// masterID is the master ID for which the token of the dial was signed.
	masterID string
	channel  token.Channel
	// nonce is the nonce that the next signature must cover, or nil after it was used.
	nonce []byte
	// key is the key that signed the SubscribeRequest, or nil before that is verified.
	key ed25519.PublicKey
}

// authenticate verifies the token of a dial. It returns the challenge for the connection, or nil if no
// authentication is configured.
func (h *Handler) authenticate(r *http.Request) (*challenge, error) {
	if h.cfg.Verifier == nil {
		return nil, nil
	}
	ch := &challenge{verifier: h.cfg.Verifier, cluster: h.cfg.ClusterName, channel: token.Unbound}
	var err error
	if !h.cfg.Unbound {
		if ch.channel, err = token.ChannelOf(r.TLS); err != nil {
			return nil, &refusal{http.StatusForbidden, "channel", "signatures cannot be bound to this connection: " + err.Error() +
				": serve TLS 1.3 at the agent, or start it with --channel-binding=off"}
		}
	}
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, &refusal{http.StatusUnauthorized, "unauthorized", "the request has no bearer token: start the master with --signing-key-file"}
	}
	ch.masterID, err = h.cfg.Verifier.Verify(strings.TrimSpace(credentials), time.Now())
	return ch, err
}

// tokenMasterID returns the master ID for which the token of the dial was signed, or "" if no authentication is
// configured.
func (ch *challenge) tokenMasterID() string {
	if ch == nil {
		return ""
	}
	return ch.masterID
}

// nextNonce returns a new nonce that the next signature must cover, or nil if no authentication is configured.
func (ch *challenge) nextNonce() []byte {
	if ch == nil {
		return nil
	}
	ch.nonce = token.NewNonce()
	return ch.nonce
}

// verifySubscribe verifies the signature of a SubscribeRequest.
func (ch *challenge) verifySubscribe(req *wire.SubscribeRequest) error {
	switch {
	case req.SummaryOnly:
		return ch.verify(token.Statement{Domain: token.DomainSummary}, req.Signature)
	case req.Owner:
		return ch.verify(token.Statement{Domain: token.DomainOwner, Session: req.Session, Term: req.Term}, req.Signature)
	}
	return ch.verify(token.Statement{Domain: token.DomainSubscribe, Session: req.Session, Term: req.Term}, req.Signature)
}

// verify verifies one signature of a statement, of which the caller sets what depends on the message. The nonce cannot be used again, even if the signature is wrong. The error is an
// endError with a message for the administrator of the master.
func (ch *challenge) verify(s token.Statement, signature []byte) error {
	if ch == nil {
		return nil
	}
	nonce := ch.nonce
	ch.nonce = nil
	if signature == nil || nonce == nil {
		return &endError{wire.EndUnauthorized, "the message has no signature: start the master with --signing-key-file"}
	}
	s.Cluster, s.MasterID, s.Nonce, s.Channel = ch.cluster, ch.masterID, nonce, ch.channel
	key, err := ch.verifier.VerifyStatement(s, signature)
	switch {
	case err != nil && ch.channel == token.Unbound:
		return &endError{wire.EndUnauthorized, err.Error() + ": start the agent with the public key of the master's --signing-key-file"}
	case err != nil:
		return &endError{wire.EndUnauthorized, err.Error() +
			": if a proxy between master and agent terminates TLS, let it pass TLS through, or start the agent with --channel-binding=off"}
	case ch.key != nil && !ch.key.Equal(key):
		return &endError{wire.EndUnauthorized, "the signature is of a different key than the one that opened the session"}
	case ch.key == nil:
		// The key is written only once: after acquireSession, other goroutines read it.
		ch.key = key
	}
	return nil
}

// keyAccepted reports whether the key that signed the SubscribeRequest is still one of the agent's.
func (ch *challenge) keyAccepted() bool { return ch == nil || ch.verifier.Accepts(ch.key) }

// errKeyRemoved returns the error that ends a session whose key is no longer accepted.
func errKeyRemoved() *endError {
	return &endError{wire.EndUnauthorized, "the key that opened the session was removed from the agent's --master-public-key-file"}
}

// KeysChanged ends the sessions that were opened with a key which Config.Verifier no longer accepts. It must be called
// after each Verifier.SetKeys.
func (h *Handler) KeysChanged() {
	if h.cfg.Verifier != nil {
		h.conns.endSessionsUnless(h.cfg.Verifier.Accepts, errKeyRemoved)
	}
}
