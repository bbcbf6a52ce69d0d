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

// TestCARenewalOverlaps runs 25 years in steps of a week. Every certificate is trusted by a client
// that has read the ConfigMap within the last half year, less two weeks for a late reconciliation.
func TestCARenewalOverlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		regular, late := h.replica(), h.replica()
		var bundles []string
		signers := map[string]bool{}
		const week = 7 * 24 * time.Hour
		for n := range 25 * 52 {
			regular.loop.Once(t.Context())
			if n%2 == 0 {
				late.loop.Once(t.Context()) // the hub is not reachable for it every other week
			}
			bundles = append(bundles, h.published())
			if n := strings.Count(h.published(), "BEGIN CERTIFICATE"); n > 2 {
				t.Fatalf("got %d published certificates, want at most 2", n)
			}
			trusted := bundles[max(0, len(bundles)-int(signAfter/week)+2)]
			for _, s := range []*Source{regular, late} {
				if err := trusts(trusted, served(t, s)); err != nil {
					t.Fatalf("week %d: %v", n, err)
				}
				signers[s.issuer.cert.Subject.CommonName] = true
			}
			<-time.After(week)
		}
		if len(signers) != 3 {
			t.Errorf("got %d signing CAs in 25 years, want 3", len(signers))
		}
	})
}

// TestExpiredCAIsReplaced starts masters after an outage in which the CA has expired.
func TestExpiredCAIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		h.replica().loop.Once(t.Context())
		for _, off := range []time.Duration{11 * 365 * 24 * time.Hour, 10*365*24*time.Hour - time.Hour, 20 * 24 * time.Hour} {
			<-time.After(off)
			s := h.replica()
			s.loop.Once(t.Context())
			if err := trusts(h.published(), served(t, s)); err != nil {
				t.Errorf("after %s: got error %v, want none", off, err)
			}
		}
	})
}

func TestForeignSecretIsNotOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHub(t)
		h.replica().loop.Once(t.Context())
		good := h.Data()
		<-time.After(time.Hour)
		h.Put(nil)
		h.replica().loop.Once(t.Context())
		other := h.Data()
		foreign, err := foreignCA()
		if err != nil {
			t.Fatal(err)
		}
		for want, data := range map[string]map[string][]byte{
			`unexpected key "tls.crt"`:                {"tls.crt": good[caCertKey], "tls.key": good[caPrivateKeyKey]},
			"parse ca.crt: ":                          {caCertKey: []byte("nonsense"), caPrivateKeyKey: good[caPrivateKeyKey]},
			"parse ca.crt: data":                      {caPrivateKeyKey: good[caPrivateKeyKey]},
			"ca.key has no private key":               {caCertKey: good[caCertKey]},
			"parse key 1 of ca.key":                   {caCertKey: good[caCertKey], caPrivateKeyKey: []byte("-----BEGIN EC PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END EC PRIVATE KEY-----\n")},
			"key 1 of ca.key does not belong":         {caCertKey: good[caCertKey], caPrivateKeyKey: other[caPrivateKeyKey]},
			"2 certificates and ca.key has 1":         {caCertKey: append(bytes.Clone(good[caCertKey]), other[caCertKey]...), caPrivateKeyKey: good[caPrivateKeyKey]},
			"8 certificates and ca.key has 8":         {caCertKey: bytes.Repeat(good[caCertKey], 8), caPrivateKeyKey: bytes.Repeat(good[caPrivateKeyKey], 8)},
			`"foreign", which is not a CA created by`: foreign,
			"want only ca.crt and ca.key":             {caCertKey: good[caCertKey], caPrivateKeyKey: good[caPrivateKeyKey], "more": []byte("x")},
		} {
			h.Put(data)
			h.Log.Reset()
			s := h.replica()
			s.loop.Once(t.Context())
			if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "Secret rollcall-system/rollcall-master-ca") {
				t.Errorf("%s: got readiness %v, want an error with the Secret", want, err)
			}
			log := strings.ReplaceAll(h.Log.String(), `\"`, `"`)
			if !strings.Contains(log, want) || !strings.Contains(log, "kubectl -n rollcall-system patch secret rollcall-master-ca") {
				t.Errorf("%s: got log %s", want, log)
			}
			if strings.Contains(log, "PRIVATE KEY") || strings.Contains(log, "bm9uc2Vuc2U") {
				t.Errorf("%s: the log contains a key: %s", want, log)
			}
			if got := h.Data(); len(got) != len(data) || !bytes.Equal(got[caCertKey], data[caCertKey]) {
				t.Errorf("%s: the Secret was overwritten", want)
			}
		}
	})
}

// foreignCA returns the data of a Secret with a CA that this package did not create.
func foreignCA() (map[string][]byte, error) {
	a, err := newAuthority(time.Now())
	if err != nil {
		return nil, err
	}
	template := *a.cert
	template.Subject.CommonName, template.RawSubject = "foreign", nil
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return encode([]authority{a})
}

// FuzzParse parses arbitrary content of the Secret. Every CA that is returned can sign.
func FuzzParse(f *testing.F) {
	a, err := newAuthority(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	data, err := encode([]authority{a})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[caCertKey], data[caPrivateKeyKey])
	f.Add(data[caPrivateKeyKey], data[caCertKey])
	f.Add([]byte{}, []byte("-----BEGIN EC PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, certs, keys []byte) {
		all, err := parse(map[string][]byte{caCertKey: certs, caPrivateKeyKey: keys})
		if err != nil {
			return
		}
		for _, a := range all {
			if _, err := a.sign([]string{service}, time.Now()); err != nil {
				t.Errorf("sign with a parsed CA: got error %v, want none", err)
			}
		}
	})
}
