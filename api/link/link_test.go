package link

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"rollcall.dev/rollcall/api/token"
)

// pipe is one end of a connection in memory.
type pipe struct {
	in  <-chan []byte
	out chan<- []byte
	// alter changes each written message, if it is not nil.
	alter func([]byte) []byte
}

func pipes() (a, b *pipe) {
	x, y := make(chan []byte, 8), make(chan []byte, 8)
	return &pipe{in: x, out: y}, &pipe{in: y, out: x}
}

func (p *pipe) Read(ctx context.Context) ([]byte, error) {
	select {
	case m, ok := <-p.in:
		if !ok {
			return nil, errors.New("closed")
		}
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipe) Write(_ context.Context, message []byte) error {
	if p.alter != nil {
		message = p.alter(message)
	}
	p.out <- message
	return nil
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func fingerprintOf(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return Fingerprint(der)
}

// hub is the fixture of a handshake: an agent, and a master that accepts it.
type hub struct {
	agent             Agent
	master            Master
	onAgent, onMaster *pipe
	// accepted is the fingerprint that the master admits.
	accepted  string
	candidate Candidate
}

func newHub(t testing.TB) *hub {
	t.Helper()
	signing, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	h := &hub{accepted: fingerprintOf(t, key)}
	h.onAgent, h.onMaster = pipes()
	h.agent = Agent{Cluster: "a", UID: "u", Key: key, Verifier: token.NewVerifier("a", signing.Public().(ed25519.PublicKey)), Channel: "channel"}
	h.master = Master{ID: "m", Signer: token.NewSigner(signing), Channel: "channel", Authorize: func(_ context.Context, c Candidate) Decision {
		h.candidate = c
		if c.Key != h.accepted {
			return Decision{Refused: &Refused{Code: NotAdmitted, Message: "the key is not pinned"}}
		}
		return Decision{Admitted: Admitted{LinkID: "1"}}
	}}
	return h
}

// run performs the handshake on both sides.
func (h *hub) run(t testing.TB) (peer *Peer, agentErr, masterErr error) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := h.master.Handshake(t.Context(), h.onMaster)
		close(h.onMaster.out)
		done <- err
	}()
	peer, agentErr = h.agent.Handshake(t.Context(), h.onAgent)
	close(h.onAgent.out)
	return peer, agentErr, <-done
}

func TestHandshakeAdmitsAgent(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ECDSA": newKey(t), "Ed25519": ed} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			h.agent.Key, h.accepted = key, fingerprintOf(t, key)
			peer, agentErr, masterErr := h.run(t)
			if agentErr != nil || masterErr != nil {
				t.Fatalf("agent: %v, master: %v", agentErr, masterErr)
			}
			if peer.MasterID != "m" || peer.LinkID != "1" {
				t.Errorf("got peer %+v", peer)
			}
			h.candidate.RoundTrip = 0
			if want := (Candidate{Cluster: "a", UID: "u", Key: h.accepted}); h.candidate != want {
				t.Errorf("got candidate %+v, want %+v", h.candidate, want)
			}
		})
	}
}

func TestUnboundHandshake(t *testing.T) {
	h := newHub(t)
	h.agent.Channel = token.Unbound
	h.master.Channel, h.master.ChannelErr = "", token.ErrNoTLS
	if _, agentErr, masterErr := h.run(t); agentErr != nil || masterErr != nil {
		t.Fatalf("agent: %v, master: %v", agentErr, masterErr)
	}
	if !h.candidate.Unbound {
		t.Error("the candidate is bound, want unbound")
	}
}

func TestJoinKeyIsProved(t *testing.T) {
	h := newHub(t)
	_, join, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h.agent.JoinKey = join
	if _, agentErr, masterErr := h.run(t); agentErr != nil || masterErr != nil {
		t.Fatalf("agent: %v, master: %v", agentErr, masterErr)
	}
	if want := fingerprintOf(t, join); h.candidate.JoinKey != want {
		t.Errorf("got join key %q, want %q", h.candidate.JoinKey, want)
	}
}

// TestRefusals has the attacks and mistakes that a handshake has to detect. Each case says what both sides learn.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		change        func(*testing.T, *hub)
		agent, master string
	}{
		"an agent with a stolen name but another key": {
			change: func(t *testing.T, h *hub) { h.agent.Key = newKey(t) },
			agent:  "NotAdmitted: the hub has no ClusterAgent with this name that accepts", master: "NotAdmitted: the key is not pinned",
		},
		"a known agent learns the cause": {
			change: func(_ *testing.T, h *hub) {
				h.master.Authorize = func(context.Context, Candidate) Decision {
					return Decision{Known: true, Refused: &Refused{Code: NotAdmitted, Message: "the ClusterAgent is suspended"}}
				}
			},
			agent: "the ClusterAgent is suspended", master: "the ClusterAgent is suspended",
		},
		"a master that is not the hub": {
			change: func(t *testing.T, h *hub) {
				other, err := token.GenerateKey()
				if err != nil {
					t.Fatal(err)
				}
				h.master.Signer = token.NewSigner(other)
			},
			agent: ErrMasterNotProved.Error(), master: "MasterNotProved: the agent did not accept the master's proof",
		},
		"a relayed handshake": {
			change: func(_ *testing.T, h *hub) { h.master.Channel = "the relay's channel" },
			agent:  ErrMasterNotProved.Error(), master: "MasterNotProved",
		},
		"a proxy that alters the Claim": {
			change: func(_ *testing.T, h *hub) {
				h.onAgent.alter = func(m []byte) []byte {
					return []byte(strings.Replace(string(m), `"uid":"u"`, `"uid":"x"`, 1))
				}
			},
			agent: ErrMasterNotProved.Error(), master: "MasterNotProved",
		},
		"a proxy that alters the MasterProof without changing its meaning": {
			change: func(_ *testing.T, h *hub) {
				h.onMaster.alter = func(m []byte) []byte {
					return []byte(strings.Replace(string(m), `{"type":"MasterProof"`, `{ "type":"MasterProof"`, 1))
				}
			},
			agent: "InvalidMessage", master: "InvalidMessage: the agent did not prove its key",
		},
		"a proxy that terminates TLS": {
			change: func(_ *testing.T, h *hub) { h.master.Channel, h.master.ChannelErr = "", token.ErrNoTLS },
			agent:  "BindingMismatch", master: "set spec.link.channelBinding: None",
		},
		"a join key that did not sign": {
			change: func(t *testing.T, h *hub) {
				h.onAgent.alter = func(m []byte) []byte {
					return []byte(strings.Replace(string(m), `"joinSignature":"`, `"joinSignature":"AAAA`, 1))
				}
				_, join, err := ed25519.GenerateKey(rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				h.agent.JoinKey = join
			},
			agent: "InvalidMessage", master: "the agent did not prove its join token",
		},
		"no cluster name": {
			change: func(_ *testing.T, h *hub) { h.agent.Cluster = "" },
			agent:  "InvalidMessage", master: "the Claim has no cluster",
		},
		"a cluster name that is too long": {
			change: func(_ *testing.T, h *hub) { h.agent.Cluster = strings.Repeat("a", maxText+1) },
			agent:  "InvalidMessage", master: "too long",
		},
		"a newer version": {
			change: func(_ *testing.T, h *hub) {
				h.onAgent.alter = func(m []byte) []byte {
					return []byte(strings.Replace(string(m), `"version":1`, `"version":2`, 1))
				}
			},
			agent: "InvalidMessage", master: "the agent speaks the link version 2, the master 1: update the older one",
		},
		"not JSON": {
			change: func(_ *testing.T, h *hub) { h.onAgent.alter = func([]byte) []byte { return []byte("hello") } },
			agent:  "InvalidMessage", master: "not a JSON object",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			tc.change(t, h)
			_, agentErr, masterErr := h.run(t)
			if agentErr == nil || !strings.Contains(agentErr.Error(), tc.agent) {
				t.Errorf("agent: got %v, want %q", agentErr, tc.agent)
			}
			if masterErr == nil || !strings.Contains(masterErr.Error(), tc.master) {
				t.Errorf("master: got %v, want %q", masterErr, tc.master)
			}
		})
	}
}

// TestUnknownAgentsLearnNothing shows that an agent with an unknown key gets the same bytes for a cluster that exists
// and for one that does not.
func TestUnknownAgentsLearnNothing(t *testing.T) {
	var seen []string
	for _, message := range []string{"no ClusterAgent is named a", "the key is not pinned"} {
		h := newHub(t)
		h.master.Authorize = func(context.Context, Candidate) Decision {
			return Decision{Refused: &Refused{Code: NotAdmitted, Message: message}}
		}
		last := ""
		h.onMaster.alter = func(m []byte) []byte { last = string(m); return m }
		h.run(t)
		seen = append(seen, last)
	}
	if seen[0] != seen[1] {
		t.Errorf("got %q and %q, want the same", seen[0], seen[1])
	}
}

func TestLargeKeysAreRefused(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if err := verifyTranscript(der, agentDomain, nil, nil); err == nil || !strings.Contains(err.Error(), "use an ECDSA or Ed25519 key") {
		t.Errorf("got %v, want the limit of the key", err)
	}
	if _, err := signTranscript(key, agentDomain, nil); err == nil {
		t.Error("an RSA key signs, want an error")
	}
}

func TestSilentPeersTimeOut(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := newHub(t)
	if _, err := h.agent.Handshake(ctx, h.onAgent); !errors.Is(err, context.Canceled) {
		t.Errorf("agent: got %v, want the context's error", err)
	}
	if _, err := h.master.Handshake(ctx, h.onMaster); !errors.Is(err, context.Canceled) {
		t.Errorf("master: got %v, want the context's error", err)
	}
}

// FuzzHandshake sends arbitrary messages to both sides. Neither panics, and no agent is admitted.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte(`{"type":"Challenge","message":{"masterID":"m","nonce":"AAAAAAAAAAAAAAAAAAAAAA==","versionMin":1,"versionMax":1}}`), []byte(`{"type":"MasterProof","message":{"signature":"AAAA"}}`))
	f.Add([]byte(`{"type":"Claim","message":{"version":1,"cluster":"a","uid":"u","key":"AAAA","nonce":"AAAAAAAAAAAAAAAAAAAAAA=="}}`), []byte(`{"type":"AgentProof","message":{"signature":"AAAA"}}`))
	f.Add([]byte(`{"type":"Refused","message":{"code":"NotAdmitted"}}`), []byte(`{"type":"Refused","message":3}`))
	h := newHub(f)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, handshake := range []func(Conn) error{
			func(c Conn) error { _, err := h.agent.Handshake(t.Context(), c); return err },
			func(c Conn) error { _, err := h.master.Handshake(t.Context(), c); return err },
		} {
			near, far := pipes()
			far.out <- first
			far.out <- second
			close(far.out)
			if err := handshake(near); err == nil {
				t.Error("arbitrary messages were accepted")
			}
		}
	})
}
