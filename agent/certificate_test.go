package agent

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"testing/synctest"

	"rollcall.dev/rollcall/api/keysecret/keysecrettest"
	"rollcall.dev/rollcall/api/tlsfiles"
)

// fakeMember is a member with the two objects as config/agent installs them.
type fakeMember struct{ *keysecrettest.Cluster }

func newFakeMember(t *testing.T) fakeMember {
	return fakeMember{keysecrettest.New(t, "rollcall-system", "rollcall-agent-tls", "rollcall-agent-pin")}
}

// start returns the certificate of a new agent process.
func (m fakeMember) start() *ownCertificate { return newCertificate(m.Objects(), m.Logger()) }

// servedPin returns the pin of the served certificate, or "".
func servedPin(c *ownCertificate) string {
	pair, err := c.getCertificate(nil)
	if err != nil {
		return ""
	}
	return tlsfiles.Pin(pair.Leaf)
}

func TestAgentMakesItsKeyOnceAndPublishesItsPin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMember(t)
		c := m.start()
		if err := c.ready(); err == nil || servedPin(c) != "" {
			t.Errorf("before the first synchronization: got readiness %v and pin %q, want an error and none", err, servedPin(c))
		}
		c.loop.Once(t.Context())
		pin := servedPin(c)
		if err := c.ready(); err != nil || pin == "" {
			t.Fatalf("got readiness %v and pin %q, want a certificate: %s", err, pin, &m.Log)
		}
		block, _ := pem.Decode(m.Data()["tls.crt"])
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil || tlsfiles.Pin(leaf) != pin || len(m.Data()["tls.key"]) == 0 {
			t.Errorf("got another certificate in the Secret than is served: %v", err)
		}
		if want := map[string]string{"pin": pin}; !maps.Equal(m.Published(), want) {
			t.Errorf("got published %v, want %v", m.Published(), want)
		}
		if log := m.Log.String(); !strings.Contains(log, "pin="+pin) || strings.Contains(log, "PRIVATE KEY") {
			t.Errorf("got log %s, want one with the pin and without the key", log)
		}
		key, err := (&Config{}).agentKey(c)
		if err != nil {
			t.Fatal(err)
		}
		if signer, err := key(); err != nil || !leaf.PublicKey.(*ecdsa.PublicKey).Equal(signer.Public()) {
			t.Errorf("got another key for links, %v; want that of the certificate", err)
		}
		again := m.start()
		again.loop.Once(t.Context())
		if servedPin(again) != pin {
			t.Error("after a restart: got another key, want the same")
		}
	})
}

func TestRunningAgentRestoresItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMember(t)
		c := m.start()
		c.loop.Once(t.Context())
		before := m.Data()
		m.Put(nil)
		c.loop.Once(t.Context())
		if got := m.Data(); string(got["tls.key"]) != string(before["tls.key"]) || string(got["tls.crt"]) != string(before["tls.crt"]) {
			t.Errorf("got another pair in the emptied Secret, want that of before: %s", &m.Log)
		}
		if !strings.Contains(m.Log.String(), "stored the key in use again") {
			t.Errorf("got log %s, want a warning", &m.Log)
		}
	})
}

func TestReplacedCertificateIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMember(t)
		c := m.start()
		c.loop.Once(t.Context())
		next, err := tlsfiles.SelfSigned("mine", []string{"mine"}, certificateDuration)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := next.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		m.Put(map[string][]byte{"tls.crt": next.Cert, "tls.key": next.Key, "ca.crt": []byte("of an issuer")})
		c.loop.Once(t.Context())
		if want := tlsfiles.Pin(parsed.Leaf); servedPin(c) != want || m.Published()["pin"] != want {
			t.Errorf("got pin %s and published %v, want %s", servedPin(c), m.Published(), want)
		}
	})
}

// TestHalfAKeyIsNotOverwritten starts an agent, and keeps one running, with invalid content of the Secret.
func TestHalfAKeyIsNotOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMember(t)
		running := m.start()
		running.loop.Once(t.Context())
		good, pin := m.Data(), servedPin(running)
		other, err := tlsfiles.SelfSigned("other", nil, certificateDuration)
		if err != nil {
			t.Fatal(err)
		}
		for want, data := range map[string]map[string][]byte{
			"tls.key is missing or empty":                {"tls.crt": good["tls.crt"]},
			"tls.crt is missing or empty":                {"tls.key": good["tls.key"]},
			"private key does not match":                 {"tls.crt": good["tls.crt"], "tls.key": other.Key},
			"failed to find any PEM data in certificate": {"tls.crt": []byte("nonsense"), "tls.key": good["tls.key"]},
			"failed to find any PEM data in key":         {"tls.crt": good["tls.crt"], "tls.key": good["tls.key"][:60]},
		} {
			m.Put(data)
			m.Log.Reset()
			starting := m.start()
			starting.loop.Once(t.Context())
			running.loop.Once(t.Context())
			log := m.Log.String()
			if err := starting.ready(); err == nil || !strings.Contains(err.Error(), "Secret rollcall-system/rollcall-agent-tls") {
				t.Errorf("%s: got readiness %v, want an error with the Secret", want, err)
			}
			if !strings.Contains(log, want) || !strings.Contains(log, "kubectl -n rollcall-system patch secret rollcall-agent-tls") || strings.Contains(log, "PRIVATE KEY") {
				t.Errorf("got log %s, want %s, the command and no key", log, want)
			}
			if got := m.Data(); len(got) != len(data) || string(got["tls.key"]) != string(data["tls.key"]) {
				t.Errorf("%s: the Secret was overwritten", want)
			}
			if servedPin(running) != pin {
				t.Errorf("%s: the running agent changed its key", want)
			}
		}
	})
}
