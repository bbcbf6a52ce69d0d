package master

import (
	"strings"
	"testing"
	"testing/synctest"

	"rollcall.dev/rollcall/api/keysecret/keysecrettest"
	"rollcall.dev/rollcall/api/token"
)

// signingHub is a hub with the two objects of the signing key as config/master installs them.
type signingHub struct{ *keysecrettest.Cluster }

func newSigningHub(t *testing.T) signingHub {
	return signingHub{keysecrettest.New(t, "rollcall-system", "rollcall-master-signing-key", "rollcall-master-public-key")}
}

// replica returns the signing key of one more master.
func (h signingHub) replica() *storedSigningKey { return newStoredSigningKey(h.Objects(), h.Logger()) }

// stored returns the signing key in the Secret, in PEM, and the published public key.
func (h signingHub) stored() (private, public string) {
	return string(h.Data()["signing.key"]), h.Published()["signing.key.pub"]
}

func TestReplicasShareOneSigningKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSigningHub(t)
		first, second := h.replica(), h.replica()
		for _, k := range []*storedSigningKey{first, second} {
			if err := k.sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if !first.key.Equal(second.key) {
			t.Error("got two keys, want one")
		}
		private, public, err := token.EncodeKeyPair(first.key)
		if err != nil {
			t.Fatal(err)
		}
		if gotPrivate, gotPublic := h.stored(); gotPrivate != string(private) || gotPublic != string(public) {
			t.Errorf("got published %q, want %q", gotPublic, public)
		}
		if log := h.Log.String(); !strings.Contains(log, "key="+keyID(first.key)) || strings.Contains(log, "PRIVATE KEY") {
			t.Errorf("got log %s, want one with the ID of the key and without the key", log)
		}
	})
}

func TestRunningMasterRestoresTheSigningKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSigningHub(t)
		k := h.replica()
		k.loop.Once(t.Context())
		private, public := h.stored()
		h.Put(nil)
		k.loop.Once(t.Context())
		if gotPrivate, gotPublic := h.stored(); gotPrivate != private || gotPublic != public {
			t.Errorf("got another key in the emptied Secret, want the same: %s", &h.Log)
		}
		if !strings.Contains(h.Log.String(), "stored the key in use again") {
			t.Errorf("got log %s, want a warning", &h.Log)
		}
	})
}

// TestReplacedSigningKeyWaitsForARestart replaces the key in the Secret of a running master.
func TestReplacedSigningKeyWaitsForARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSigningHub(t)
		k := h.replica()
		k.loop.Once(t.Context())
		before := k.key
		next, err := token.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		private, public, err := token.EncodeKeyPair(next)
		if err != nil {
			t.Fatal(err)
		}
		h.Put(map[string][]byte{"signing.key": private, "signing.key.pub": public})
		k.loop.Once(t.Context())
		k.loop.Once(t.Context())
		if !k.key.Equal(before) {
			t.Error("got another key in use, want that of before")
		}
		if _, published := h.stored(); published != string(public) {
			t.Errorf("got published %q, want that of the Secret", published)
		}
		if got := strings.Count(h.Log.String(), "restart all masters"); got != 1 {
			t.Errorf("got %d warnings, want 1: %s", got, &h.Log)
		}
		restarted := h.replica()
		restarted.loop.Once(t.Context())
		if !restarted.key.Equal(next) {
			t.Error("after a restart: got another key than that of the Secret")
		}
	})
}

func TestInvalidSigningKeyIsNotOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSigningHub(t)
		h.replica().loop.Once(t.Context())
		private, public := h.stored()
		for want, content := range map[string]string{
			"there is no PEM block": private[:40],
			"PRIVATE KEY":           public,
			"asn1":                  "-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----\n",
		} {
			h.Put(map[string][]byte{"signing.key": []byte(content)})
			err := h.replica().sync(t.Context())
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "kubectl -n rollcall-system patch secret rollcall-master-signing-key") ||
				!strings.Contains(err.Error(), "give all agents the public key in the ConfigMap rollcall-master-public-key") {
				t.Errorf("got error %v, want %s and what to do", err, want)
			}
			if err != nil && strings.Contains(err.Error(), "bm9uc2Vuc2U") {
				t.Errorf("the error contains the key: %v", err)
			}
			if got, _ := h.stored(); got != content {
				t.Errorf("%s: the Secret was overwritten", want)
			}
		}
	})
}
