package join

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/jointoken"
)

// create runs CreateToken.
func (f *fixture) create(change func(*TokenOptions)) (jointoken.Token, string, error) {
	f.t.Helper()
	f.out.Reset()
	o := TokenOptions{Name: "prod-eu", Hub: f.cluster("hub", f.hub.Config()), HubNamespace: Namespace, TTL: 15 * time.Minute, Out: f.out}
	if change != nil {
		change(&o)
	}
	token, err := CreateToken(f.t.Context(), o)
	return token, f.out.String(), err
}

func TestCreateToken(t *testing.T) {
	f := newFixture(t)
	f.publish(masterCAMap, caFile, "")
	token, out, err := f.create(func(o *TokenOptions) { o.Labels = map[string]string{"region": "eu"} })
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f.contains(out, []string{"prod-eu is free", "the token works once, for this name, until"})
	if token.Cluster != "prod-eu" || token.Hub != "wss://hub.example:443" || time.Until(token.ExpiresAt) > 15*time.Minute {
		t.Errorf("got %v", token)
	}
	got := f.kubectl(f.hub, "get", "clusteragent", "prod-eu", "-o", "jsonpath={.spec.connection} {.spec.join.keySHA256} {.metadata.labels.region}")
	if want := "Reverse " + token.KeySHA256() + " eu"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if strings.Contains(out, base64.RawURLEncoding.EncodeToString(token.Key.Seed())) || strings.Contains(out, jointoken.Prefix) {
		t.Errorf("the steps show the token:\n%s", out)
	}
	second, out, err := f.create(nil)
	if err != nil || second.KeySHA256() == token.KeySHA256() {
		t.Errorf("a second token: %v\n%s", err, out)
	}
	f.contains(out, []string{"has not joined yet: this token replaces the one before"})
}

func TestTokenForAClusterThatHasJoined(t *testing.T) {
	f := newFixture(t)
	f.play()
	f.mustJoin(f.options())
	_, out, err := f.create(nil)
	if err == nil {
		t.Error("got a token")
	}
	f.contains(out, []string{"✗ name", "prod-eu has joined already", "key is accepted by spec.tls.pinnedSHA256", "set --replace if its agent has lost its key"})
	_, out, err = f.create(func(o *TokenOptions) { o.Replace = true })
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if pins := f.kubectl(f.hub, "get", "clusteragent", "prod-eu", "-o", "jsonpath={.spec.tls.pinnedSHA256}"); pins != "" {
		t.Errorf("the old key is still accepted: %s", pins)
	}
	_, out, err = f.create(func(o *TokenOptions) { o.TTL = time.Second })
	if err == nil {
		t.Error("got a token for a second")
	}
	f.contains(out, []string{"--ttl 1s is too short or too long"})
}
