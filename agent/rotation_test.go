package agent

import (
	"strings"
	"testing"
	"testing/synctest"

	"rollcall.dev/rollcall/api/tlsfiles"
)

// pinOf returns the pin of a certificate in the Secret.
func pinOf(t *testing.T, data map[string][]byte, certificate, key string) string {
	t.Helper()
	pair, err := tlsfiles.Pair{Cert: data[certificate], Key: data[key]}.Certificate()
	if err != nil {
		t.Fatalf("%s: %v", certificate, err)
	}
	return tlsfiles.Pin(pair.Leaf)
}

// askForRotation puts what `kubectl rollcall rotate-key` puts into the Secret.
func (m fakeMember) askForRotation() {
	data := m.Data()
	data["rotate"] = []byte("1")
	m.Put(data)
}

// TestAgentReplacesItsKeyWhenTheHubAcceptsIt asks an agent for another key. It uses the next key after the hub has
// accepted it, and not before, also if it is restarted in between.
func TestAgentReplacesItsKeyWhenTheHubAcceptsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMember(t)
		c := m.start()
		c.loop.Once(t.Context())
		before := servedPin(c)
		if c.nextKey() != nil {
			t.Error("got a next key, but nobody has asked for it")
		}
		m.askForRotation()
		c.loop.Once(t.Context())
		next := m.Published()["next-pin"]
		if next == "" || next == before || next != pinOf(t, m.Data(), "next.crt", "next.key") || m.Published()["pin"] != before || servedPin(c) != before {
			t.Fatalf("got published %v, served %s; want the old key and another next pin", m.Published(), servedPin(c))
		}
		if len(m.Data()["rotate"]) != 0 {
			t.Error("the Secret still asks for another key")
		}
		c.loop.Once(t.Context())
		if got := m.Published()["next-pin"]; got != next {
			t.Errorf("synchronized again: got the next pin %s, want %s", got, next)
		}
		c = m.start() // restarted
		c.loop.Once(t.Context())
		if got := m.Published()["next-pin"]; got != next || servedPin(c) != before || c.nextKey() == nil {
			t.Fatalf("restarted: got the next pin %s, served %s, next key %v; want %s, %s and a key", got, servedPin(c), c.nextKey(), next, before)
		}
		c.acceptNext(c.nextKey())
		select {
		case <-c.rotation.wake:
		default:
			t.Error("the Secret is not written at once")
		}
		c.loop.Once(t.Context())
		if got := m.Published(); got["pin"] != next || got["next-pin"] != "" || servedPin(c) != next || c.nextKey() != nil {
			t.Errorf("accepted: got published %v, served %s, want %s only", got, servedPin(c), next)
		}
		if got := pinOf(t, m.Data(), "tls.crt", "tls.key"); got != next || len(m.Data()["next.key"]) != 0 {
			t.Errorf("accepted: got %s in the Secret, want %s and no next key", got, next)
		}
		select {
		case <-c.rotation.changed:
		default:
			t.Error("the link is not replaced")
		}
		if strings.Contains(m.Log.String(), "PRIVATE KEY") {
			t.Error("the log has a key")
		}
	})
}

// TestBadNextKeyIsRemoved puts something else in place of the next key.
func TestBadNextKeyIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMember(t)
		c := m.start()
		c.loop.Once(t.Context())
		before, data := servedPin(c), m.Data()
		data["next.key"] = []byte("nonsense")
		m.Put(data)
		c.loop.Once(t.Context())
		if servedPin(c) != before || c.nextKey() != nil {
			t.Errorf("got the pin %s, want %s and no next key", servedPin(c), before)
		}
		if len(m.Data()["next.key"]) != 0 {
			t.Error("the next key is still in the Secret")
		}
		m.askForRotation()
		c.loop.Once(t.Context())
		if c.nextKey() == nil {
			t.Error("got no next key, but was asked for one")
		}
	})
}
