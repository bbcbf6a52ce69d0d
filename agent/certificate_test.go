package agent

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"rollcall.dev/rollcall/api/keysecret"
	"rollcall.dev/rollcall/api/tlsfiles"
)

// fakeMember simulates the API server of a member with the two objects as config/agent installs them.
type fakeMember struct {
	t   *testing.T
	api *fake.Clientset
	log bytes.Buffer
}

func newFakeMember(t *testing.T) *fakeMember {
	return &fakeMember{t: t, api: fake.NewClientset(
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "rollcall-system", Name: "rollcall-agent-tls"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "rollcall-system", Name: "rollcall-agent-pin"}},
	)}
}

// start returns the certificate of a new agent process.
func (m *fakeMember) start() *ownCertificate {
	m.t.Helper()
	cfg := Default()
	cfg.Log = slog.New(slog.NewTextHandler(&m.log, nil))
	core := m.api.CoreV1()
	return newCertificate(keysecret.Objects{
		Secrets: core.Secrets("rollcall-system"), ConfigMaps: core.ConfigMaps("rollcall-system"), Namespace: "rollcall-system",
		Secret: "rollcall-agent-tls", ConfigMap: "rollcall-agent-pin",
	}, cfg.Log)
}

// data returns the data of the Secret.
func (m *fakeMember) data() map[string][]byte {
	m.t.Helper()
	secret, err := m.api.CoreV1().Secrets("rollcall-system").Get(m.t.Context(), "rollcall-agent-tls", metav1.GetOptions{})
	if err != nil {
		m.t.Fatal(err)
	}
	return secret.Data
}

// put replaces the data of the Secret.
func (m *fakeMember) put(data map[string][]byte) {
	m.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "rollcall-system", Name: "rollcall-agent-tls"}, Data: data}
	if _, err := m.api.CoreV1().Secrets("rollcall-system").Update(m.t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		m.t.Fatal(err)
	}
}

// published returns the data of the ConfigMap.
func (m *fakeMember) published() map[string]string {
	m.t.Helper()
	published, err := m.api.CoreV1().ConfigMaps("rollcall-system").Get(m.t.Context(), "rollcall-agent-pin", metav1.GetOptions{})
	if err != nil {
		m.t.Fatal(err)
	}
	return published.Data
}

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
			t.Fatalf("got readiness %v and pin %q, want a certificate: %s", err, pin, &m.log)
		}
		block, _ := pem.Decode(m.data()["tls.crt"])
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil || tlsfiles.Pin(leaf) != pin || len(m.data()["tls.key"]) == 0 {
			t.Errorf("got another certificate in the Secret than is served: %v", err)
		}
		if want := map[string]string{"pin": pin}; !maps.Equal(m.published(), want) {
			t.Errorf("got published %v, want %v", m.published(), want)
		}
		if log := m.log.String(); !strings.Contains(log, "pin="+pin) || strings.Contains(log, "PRIVATE KEY") {
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
		before := m.data()
		m.put(nil)
		c.loop.Once(t.Context())
		if got := m.data(); string(got["tls.key"]) != string(before["tls.key"]) || string(got["tls.crt"]) != string(before["tls.crt"]) {
			t.Errorf("got another pair in the emptied Secret, want that of before: %s", &m.log)
		}
		if !strings.Contains(m.log.String(), "stored the key in use again") {
			t.Errorf("got log %s, want a warning", &m.log)
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
		m.put(map[string][]byte{"tls.crt": next.Cert, "tls.key": next.Key, "ca.crt": []byte("of an issuer")})
		c.loop.Once(t.Context())
		if want := tlsfiles.Pin(parsed.Leaf); servedPin(c) != want || m.published()["pin"] != want {
			t.Errorf("got pin %s and published %v, want %s", servedPin(c), m.published(), want)
		}
	})
}

// TestHalfAKeyIsNotOverwritten starts an agent, and keeps one running, with invalid content of the Secret.
func TestHalfAKeyIsNotOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMember(t)
		running := m.start()
		running.loop.Once(t.Context())
		good, pin := m.data(), servedPin(running)
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
			m.put(data)
			m.log.Reset()
			starting := m.start()
			starting.loop.Once(t.Context())
			running.loop.Once(t.Context())
			log := m.log.String()
			if err := starting.ready(); err == nil || !strings.Contains(err.Error(), "Secret rollcall-system/rollcall-agent-tls") {
				t.Errorf("%s: got readiness %v, want an error with the Secret", want, err)
			}
			if !strings.Contains(log, want) || !strings.Contains(log, "kubectl -n rollcall-system patch secret rollcall-agent-tls") || strings.Contains(log, "PRIVATE KEY") {
				t.Errorf("got log %s, want %s, the command and no key", log, want)
			}
			if got := m.data(); len(got) != len(data) || string(got["tls.key"]) != string(data["tls.key"]) {
				t.Errorf("%s: the Secret was overwritten", want)
			}
			if servedPin(running) != pin {
				t.Errorf("%s: the running agent changed its key", want)
			}
		}
	})
}
