package servingcert

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestACAIsRenewedWhileClientsKnowBoth goes through twenty-five years by weeks. A client that
// read the ConfigMap within the last half a year, but for what a turn may be late,
// accepts every certificate.
func TestCARenewalOverlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		old, late := w.replica(), w.replica()
		var bundles []string
		signers := map[string]bool{}
		const week = 7 * 24 * time.Hour
		for n := range 25 * 52 {
			old.reconcile(t.Context())
			if n%2 == 0 {
				late.reconcile(t.Context()) // this one is cut off every other week
			}
			bundles = append(bundles, w.published())
			if n := strings.Count(w.published(), "BEGIN CERTIFICATE"); n > 2 {
				t.Fatalf("%d certificates are published, want 2 at most", n)
			}
			known := bundles[max(0, len(bundles)-int(signAfter/week)+2)]
			for _, s := range []*Source{old, late} {
				if err := trusts(known, served(t, s)); err != nil {
					t.Fatalf("week %d: %v", n, err)
				}
				signers[s.by.cert.Subject.CommonName] = true
			}
			<-time.After(week)
		}
		if len(signers) != 3 {
			t.Errorf("%d CAs signed in 25 years, want 3", len(signers))
		}
	})
}

// TestACAThatHasEndedIsReplacedAtOnce is of a hub whose masters were off for eleven years.
func TestExpiredCAIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		w.replica().reconcile(t.Context())
		for _, off := range []time.Duration{11 * 365 * 24 * time.Hour, 10*365*24*time.Hour - time.Hour, 20 * 24 * time.Hour} {
			<-time.After(off)
			s := w.replica()
			s.reconcile(t.Context())
			if err := trusts(w.published(), served(t, s)); err != nil {
				t.Errorf("after %s: %v", off, err)
			}
		}
	})
}

func TestForeignSecretIsNotOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeHub(t)
		w.replica().reconcile(t.Context())
		good := w.secret().Data
		<-time.After(time.Hour)
		w.put(nil)
		w.replica().reconcile(t.Context())
		other := w.secret().Data
		foreign, err := foreignCA()
		if err != nil {
			t.Fatal(err)
		}
		for want, data := range map[string]map[string][]byte{
			`has the key "tls.crt"`:             {"tls.crt": good[caKey], "tls.key": good[privateCAKey]},
			"ca.crt cannot be read":             {caKey: []byte("nonsense"), privateCAKey: good[privateCAKey]},
			"ca.crt cannot be read: data":       {privateCAKey: good[privateCAKey]},
			"ca.key has no private key":         {caKey: good[caKey]},
			"key 1 of ca.key cannot be read":    {caKey: good[caKey], privateCAKey: []byte("-----BEGIN EC PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END EC PRIVATE KEY-----\n")},
			"key 1 of ca.key does not belong":   {caKey: good[caKey], privateCAKey: other[privateCAKey]},
			"2 certificates and ca.key has 1":   {caKey: append(bytes.Clone(good[caKey]), other[caKey]...), privateCAKey: good[privateCAKey]},
			"8 certificates and ca.key has 8":   {caKey: bytes.Repeat(good[caKey], 8), privateCAKey: bytes.Repeat(good[privateCAKey], 8)},
			`"somebody's", which is no CA that`: foreign,
			"and should have ca.crt and ca.key": {caKey: good[caKey], privateCAKey: good[privateCAKey], "more": []byte("x")},
		} {
			w.put(data)
			w.log.Reset()
			s := w.replica()
			s.reconcile(t.Context())
			if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "Secret rollcall-system/rollcall-master-ca") {
				t.Errorf("%s: ready says %v", want, err)
			}
			log := strings.ReplaceAll(w.log.String(), `\"`, `"`)
			if !strings.Contains(log, want) || !strings.Contains(log, "kubectl -n rollcall-system patch secret rollcall-master-ca") {
				t.Errorf("%s: the log says %s", want, log)
			}
			if strings.Contains(log, "PRIVATE KEY") || strings.Contains(log, "bm9uc2Vuc2U") {
				t.Errorf("%s: a key is shown: %s", want, log)
			}
			if got := w.secret().Data; len(got) != len(data) || !bytes.Equal(got[caKey], data[caKey]) {
				t.Errorf("%s: it was overwritten", want)
			}
		}
	})
}

// foreignCA returns a CA that somebody else made, and its key.
func foreignCA() (map[string][]byte, error) {
	a, err := newAuthority(time.Now())
	if err != nil {
		return nil, err
	}
	template := *a.cert
	template.Subject.CommonName, template.RawSubject = "somebody's", nil
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return encode([]authority{a})
}

// FuzzParse parses arbitrary content of the Secret: it is a CA that can sign, nothing, or an
// error.
func FuzzParse(f *testing.F) {
	a, err := newAuthority(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	data, err := encode([]authority{a})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[caKey], data[privateCAKey])
	f.Add(data[privateCAKey], data[caKey])
	f.Add([]byte{}, []byte("-----BEGIN EC PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, certs, keys []byte) {
		all, err := parse(map[string][]byte{caKey: certs, privateCAKey: keys})
		if err != nil {
			return
		}
		for _, a := range all {
			if _, err := a.sign([]string{service}, time.Now()); err != nil {
				t.Errorf("it was read, and does not sign: %v", err)
			}
		}
	})
}
