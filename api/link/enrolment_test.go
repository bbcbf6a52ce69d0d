package link

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"rollcall.dev/rollcall/api/token"
)

// TestAgentProvesWhatEnrollsIt lets an agent prove its next key, a join key and a service account token.
func TestAgentProvesWhatEnrollsIt(t *testing.T) {
	_, join, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, next := newHub(t), newKey(t)
	h.agent.NextKey, h.agent.JoinKey = next, join
	h.agent.ServiceAccountToken = func() (string, error) { return "token", nil }
	if _, agentErr, masterErr := h.run(t); agentErr != nil || masterErr != nil {
		t.Fatalf("agent: %v, master: %v", agentErr, masterErr)
	}
	if c := h.candidate; c.NextKey != fingerprintOf(t, next) || c.JoinKey != fingerprintOf(t, join) || c.ServiceAccountToken != "token" {
		t.Errorf("got %+v, want the next key, the join key and the token", c)
	}
}

// TestFalseMasterGetsNoToken lets an agent with a service account token connect to a server with another signing key.
func TestFalseMasterGetsNoToken(t *testing.T) {
	other, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(t)
	h.master.Signer = token.NewSigner(other)
	h.agent.ServiceAccountToken = func() (string, error) {
		t.Error("the token was read")
		return "token", nil
	}
	if _, agentErr, _ := h.run(t); !errors.Is(agentErr, ErrMasterNotProved) {
		t.Errorf("got %v, want ErrMasterNotProved", agentErr)
	}
}

// TestNextKeyMustBeProved lets an agent name a next key that it does not have, and a key that is no key.
func TestNextKeyMustBeProved(t *testing.T) {
	h := newHub(t)
	h.agent.NextKey = newKey(t)
	der, err := x509.MarshalPKIXPublicKey(newKey(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	candidate := &Candidate{}
	sum := []byte("sum")
	signature, err := signTranscript(h.agent.Key, agentDomain, sum)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := signTranscript(h.agent.NextKey, nextDomain, sum)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKIXPublicKey(h.agent.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range []Claim{{Key: key, NextKey: der}, {Key: key, NextKey: []byte("key")}} {
		err := candidate.verify(claim, AgentProof{Signature: signature, NextSignature: wrong}, sum)
		if err == nil || !strings.Contains(err.Error(), "did not prove its next key") || candidate.NextKey != "" {
			t.Errorf("got %v and the next key %q, want a refusal", err, candidate.NextKey)
		}
	}
}

func TestLargeTokensAreRefused(t *testing.T) {
	h := newHub(t)
	h.agent.ServiceAccountToken = func() (string, error) { return strings.Repeat("a", maxToken+1), nil }
	if _, agentErr, _ := h.run(t); agentErr == nil || !strings.Contains(agentErr.Error(), "the limit is 8192") {
		t.Errorf("got %v, want the limit", agentErr)
	}
}

func TestAudienceNamesHubAndCluster(t *testing.T) {
	audiences := map[string]bool{}
	for range 2 {
		key, err := token.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		for _, cluster := range []string{"a", "b"} {
			audience := Audience(key.Public().(ed25519.PublicKey), cluster)
			if !strings.HasPrefix(audience, "rollcall:") || !strings.HasSuffix(audience, ":"+cluster) || len(audience) != len("rollcall:")+16+2 {
				t.Errorf("got %q, want rollcall:HUB:%s", audience, cluster)
			}
			audiences[audience] = true
		}
	}
	if len(audiences) != 4 {
		t.Errorf("got %v, want four audiences", audiences)
	}
}
