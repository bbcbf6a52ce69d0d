package agent

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/api/jointoken"
	"rollcall.dev/rollcall/api/token"
)

// joiningConfig returns the Config of an agent with a file for a join token, which does not exist yet.
func joiningConfig(t *testing.T) Config {
	t.Helper()
	c := Default()
	c.TLSSecret, c.TLSPinConfigMap, c.JoinTokenFile = "key", "pin", filepath.Join(t.TempDir(), "token")
	return c
}

func newJoinToken(t *testing.T, expiry time.Time) jointoken.Token {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	join, err := jointoken.New("edge-1", "wss://hub.example:443", key.Public().(ed25519.PublicKey), expiry)
	if err != nil {
		t.Fatal(err)
	}
	join.HubPin = strings.Repeat("ab", 32)
	return join
}

func (c *Config) writeToken(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(c.JoinTokenFile, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAgentWaitsForItsJoinToken(t *testing.T) {
	c := joiningConfig(t)
	for _, content := range []string{"", " \n"} {
		if _, err := c.target(); !errors.Is(err, dial.ErrNoHub) {
			t.Errorf("got %v, want ErrNoHub", err)
		}
		if _, err := c.masterKeys(); !errors.Is(err, token.ErrNotYet) {
			t.Errorf("got %v, want ErrNotYet", err)
		}
		c.writeToken(t, content)
	}
	if err := c.validateHub(); err != nil {
		t.Error(err)
	}
}

func TestJoinTokenHasTheHub(t *testing.T) {
	c, join := joiningConfig(t), newJoinToken(t, time.Now().Add(time.Hour))
	c.ClusterName = "$(CLUSTER_NAME)"
	c.writeToken(t, join.Encode()+"\n")
	c.useJoinedName()
	if c.ClusterName != "edge-1" {
		t.Errorf("got the name %s, want that of the token", c.ClusterName)
	}
	target, err := c.target()
	if err != nil {
		t.Fatal(err)
	}
	if target.Hub.String() != join.Hub || target.Trust.PinnedSHA256[0] != join.HubPin || !target.JoinKey.Equal(join.Key) {
		t.Errorf("got %+v, want the hub of %v", target.Hub, join)
	}
	if keys, err := c.masterKeys(); err != nil || !keys[0].Equal(join.SigningKey) {
		t.Errorf("got %v, %v, want the signing key", keys, err)
	}
}

func TestFlagsGoBeforeTheJoinToken(t *testing.T) {
	c, join := joiningConfig(t), newJoinToken(t, time.Now().Add(time.Hour))
	c.ClusterName, c.Hub, c.HubPins = "edge-2", "wss://other.example:443", []string{strings.Repeat("cd", 32)}
	c.MasterPublicKeyFiles = []string{filepath.Join(t.TempDir(), "signing.key.pub")}
	c.writeToken(t, join.Encode())
	c.useJoinedName()
	target, err := c.target()
	if err != nil {
		t.Fatal(err)
	}
	if c.ClusterName != "edge-2" || target.Hub.Host != "other.example:443" || target.Trust.PinnedSHA256[0] != c.HubPins[0] {
		t.Errorf("got %s at %s, want the flags' values", c.ClusterName, target.Hub)
	}
	// The file is missing, so the token's key counts until there is one.
	if keys, err := c.masterKeys(); err != nil || !keys[0].Equal(join.SigningKey) {
		t.Errorf("got %v, %v, want the signing key of the token", keys, err)
	}
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := token.EncodeKeyPair(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.MasterPublicKeyFiles[0], public, 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := c.masterKeys(); err != nil || !keys[0].Equal(key.Public()) {
		t.Errorf("got %v, %v, want the signing key of the file", keys, err)
	}
}

// TestExpiredJoinTokenIsUsed checks that an agent with an expired token knows the hub, and proves the token: the hub
// refuses it, and says so in its Event.
func TestExpiredJoinTokenIsUsed(t *testing.T) {
	c, join := joiningConfig(t), newJoinToken(t, time.Now().Add(-time.Hour))
	c.writeToken(t, join.Encode())
	target, err := c.target()
	if err != nil || target.Hub.String() != join.Hub || target.JoinKey == nil {
		t.Errorf("got %v with a key %t (%v), want the address and the key", target.Hub, target.JoinKey != nil, err)
	}
}

func TestBadJoinTokensSayWhy(t *testing.T) {
	c := joiningConfig(t)
	for content, want := range map[string]string{
		newJoinToken(t, time.Now()).Encode()[:100]: "incomplete",
		strings.Repeat("a", jointoken.MaxSize+1):   "the limit is",
		"password":                                 "no join token",
	} {
		c.writeToken(t, content)
		if _, err := c.target(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--join-token-file") {
			t.Errorf("%.20s: got %v, want %q", content, err, want)
		}
	}
}

func TestServiceAccountTokenIsReadForEachUse(t *testing.T) {
	c := joiningConfig(t)
	c.ServiceAccountTokenFile = c.JoinTokenFile
	read := c.serviceAccountToken()
	for _, want := range []string{"first", "second"} {
		c.writeToken(t, want+"\n")
		if got, err := read(); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	c.ChannelBinding = BindingOff
	if err := c.validateHub(); err == nil || !strings.Contains(err.Error(), "--unbound-service-account-token") {
		t.Errorf("got %v, want that an unbound token needs a flag", err)
	}
}
