package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/asn1"
)

// authority signs certificates for tests.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, issuer *authority) *authority {
	t.Helper()
	a := &authority{t: t}
	a.certificate, a.key = sign(t, issuer, &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue makes a certificate for a client, as edited.
func (a *authority) issue(subject pkix.Name, edit func(*x509.Certificate)) *x509.Certificate {
	template := &x509.Certificate{Subject: subject, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if edit != nil {
		edit(template)
	}
	made, _ := sign(a.t, a, template)
	return made
}

func sign(t *testing.T, issuer *authority, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	if issuer == nil {
		issuer = &authority{certificate: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.certificate, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

func TestWhoACertificateIsOf(t *testing.T) {
	trusted, stranger := newAuthority(t, nil), newAuthority(t, nil)
	between := newAuthority(t, trusted)
	roots := x509.NewCertPool()
	roots.AddCert(trusted.certificate)
	jane := pkix.Name{CommonName: "jane", Organization: []string{"dev", "ops"}}
	uids := func(values ...string) pkix.Name {
		name := jane
		for _, v := range values {
			name.ExtraNames = append(name.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.X509UID(), Value: v})
		}
		return name
	}
	for _, tc := range []struct {
		name  string
		shown []*x509.Certificate
		user  string // empty: nobody
		uid   string
		fails bool
	}{
		{name: "nothing shown"},
		{name: "of the hub's authority", shown: []*x509.Certificate{trusted.issue(jane, nil)}, user: "jane"},
		{name: "with an authority in between", shown: []*x509.Certificate{between.issue(jane, nil), between.certificate}, user: "jane"},
		{name: "without the one in between", shown: []*x509.Certificate{between.issue(jane, nil)}, fails: true},
		{name: "with a UID", shown: []*x509.Certificate{trusted.issue(uids("u-1"), nil)}, user: "jane", uid: "u-1"},
		{name: "with two UIDs", shown: []*x509.Certificate{trusted.issue(uids("u-1", "u-2"), nil)}, fails: true},
		{name: "without a name", shown: []*x509.Certificate{trusted.issue(pkix.Name{Organization: []string{"system:masters"}}, nil)}},
		{name: "of a stranger", shown: []*x509.Certificate{stranger.issue(jane, nil)}, fails: true},
		{name: "of a stranger who is shown", shown: []*x509.Certificate{stranger.issue(jane, nil), stranger.certificate}, fails: true},
		{name: "for servers", shown: []*x509.Certificate{trusted.issue(jane, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, fails: true},
		{name: "expired", shown: []*x509.Certificate{trusted.issue(jane, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		})}, fails: true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: tc.shown}
		who, ok, err := certificates{func() (x509.VerifyOptions, bool) { return verifyBy(roots), true }}.AuthenticateRequest(r)
		if (err != nil) != tc.fails || ok != (tc.user != "") {
			t.Errorf("%s: %v, %v; want somebody: %v, an error: %v", tc.name, ok, err, tc.user != "", tc.fails)
			continue
		}
		if ok && (who.User.GetName() != tc.user || who.User.GetUID() != tc.uid || !slices.Equal(who.User.GetGroups(), jane.Organization)) {
			t.Errorf("%s: it is of %+v", tc.name, who.User)
		}
	}
}

func TestNoCertificateCountsWithoutAuthorities(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{newAuthority(t, nil).certificate}}
	who, ok, err := certificates{func() (x509.VerifyOptions, bool) { return x509.VerifyOptions{}, false }}.AuthenticateRequest(r)
	if who != nil || ok || err != nil {
		t.Errorf("%v, %v, %v; want nobody and no error", who, ok, err)
	}
}
