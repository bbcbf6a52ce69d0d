package report

import (
	"crypto/ed25519"
	"net/http"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// challenge verifies the signatures on one connection. Only the connection's goroutine may use it. A nil challenge
// requires no signatures, so any master may connect.
type challenge struct {
	verifier *token.Verifier
	cluster  string
	// holder is the one that the dial's token was signed for.
	holder  string
	channel token.Channel
	// nonce is what the next signature has to be over; nil: it was used.
	nonce []byte
	// key has signed the Report; nil before.
	key ed25519.PublicKey
}

// authenticate checks a dial's token, and returns the challenge for what follows; nil where
// anybody may dial.
func (h *Handler) authenticate(r *http.Request) (*challenge, error) {
	if h.cfg.Verifier == nil {
		return nil, nil
	}
	c := &challenge{verifier: h.cfg.Verifier, cluster: h.cfg.ClusterName, channel: token.Unbound}
	var err error
	if !h.cfg.Unbound {
		if c.channel, err = token.ChannelOf(r.TLS); err != nil {
			return nil, &refusal{http.StatusForbidden, "channel", "signatures cannot be bound to this connection: " + err.Error() +
				": serve TLS 1.3 at the agent, or start it with --channel-binding=off"}
		}
	}
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, &refusal{http.StatusUnauthorized, "unauthorized", "a token is missing: start the master with --signing-key-file"}
	}
	c.holder, err = h.cfg.Verifier.Verify(strings.TrimSpace(credentials), time.Now())
	return c, err
}

// tokenHolder returns the holder that the dial's token was signed for; empty where anybody
// may dial.
func (c *challenge) tokenHolder() string {
	if c == nil {
		return ""
	}
	return c.holder
}

// next returns the nonce for the next signature, nil where none is checked.
func (c *challenge) next() []byte {
	if c == nil {
		return nil
	}
	c.nonce = token.NewNonce()
	return c.nonce
}

// checkReport checks the signature of a Report.
func (c *challenge) checkReport(r *wire.SubscribeRequest) error {
	if r.SummaryOnly {
		return c.check(token.DomainSummary, "", r.Signature)
	}
	return c.check(token.DomainSubscribe, r.Session, r.Signature)
}

// check checks one signature and uses the nonce up, whatever comes of it. The error is an
// *ended with words for who runs the master.
func (c *challenge) check(domain token.Domain, session string, signature []byte) error {
	if c == nil {
		return nil
	}
	nonce := c.nonce
	c.nonce = nil
	if signature == nil || nonce == nil {
		return &ended{wire.EndUnauthorized, "a signature is missing: start the master with --signing-key-file"}
	}
	key, err := c.verifier.VerifyStatement(token.Statement{
		Domain: domain, Cluster: c.cluster, MasterID: c.holder, Session: session, Nonce: nonce, Channel: c.channel,
	}, signature)
	switch {
	case err != nil && c.channel == token.Unbound:
		return &ended{wire.EndUnauthorized, err.Error() + ": give the agent the public key of the master's --signing-key-file"}
	case err != nil:
		return &ended{wire.EndUnauthorized, err.Error() +
			": if something between master and agent ends TLS, let it pass TLS through, or start the agent with --channel-binding=off"}
	case c.key != nil && !c.key.Equal(key):
		return &ended{wire.EndUnauthorized, "another key than the one that opened the session has signed this"}
	case c.key == nil:
		c.key = key // once: others read it when the session has its seat
	}
	return nil
}

// accepted reports whether the key that signed the Report is still one of the agent's.
func (c *challenge) accepted() bool { return c == nil || c.verifier.Accepts(c.key) }

// keyRemoved returns the error that ends a session whose key is no longer accepted.
func keyRemoved() *ended {
	return &ended{wire.EndUnauthorized, "the key that opened the session is not among the agent's --master-public-key-file any more"}
}

// KeysChanged ends the sessions that were opened by a key which the Verifier does not accept
// any more. It is to be called after each Verifier.SetKeys.
func (h *Handler) KeysChanged() {
	if h.cfg.Verifier != nil {
		h.conns.endUnless(h.cfg.Verifier.Accepts, keyRemoved)
	}
}
