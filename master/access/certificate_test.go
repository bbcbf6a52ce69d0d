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

// authority signs certificates.
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

// issue returns a client certificate whose template is changed by edit.
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

func TestCertificateUser(t *testing.T) {
	trusted, untrusted := newAuthority(t, nil), newAuthority(t, nil)
	intermediate := newAuthority(t, trusted)
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
		user  string // empty if no user is expected
		uid   string
		fails bool
	}{
		{name: "no certificate"},
		{name: "signed by the hub's authority", shown: []*x509.Certificate{trusted.issue(jane, nil)}, user: "jane"},
		{name: "with an intermediate authority", shown: []*x509.Certificate{intermediate.issue(jane, nil), intermediate.certificate}, user: "jane"},
		{name: "without the intermediate authority", shown: []*x509.Certificate{intermediate.issue(jane, nil)}, fails: true},
		{name: "with a UID", shown: []*x509.Certificate{trusted.issue(uids("u-1"), nil)}, user: "jane", uid: "u-1"},
		{name: "with two UIDs", shown: []*x509.Certificate{trusted.issue(uids("u-1", "u-2"), nil)}, fails: true},
		{name: "without a name", shown: []*x509.Certificate{trusted.issue(pkix.Name{Organization: []string{"system:masters"}}, nil)}},
		{name: "untrusted authority", shown: []*x509.Certificate{untrusted.issue(jane, nil)}, fails: true},
		{name: "untrusted authority in the chain", shown: []*x509.Certificate{untrusted.issue(jane, nil), untrusted.certificate}, fails: true},
		{name: "for server authentication", shown: []*x509.Certificate{trusted.issue(jane, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}, fails: true},
		{name: "expired", shown: []*x509.Certificate{trusted.issue(jane, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		})}, fails: true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: tc.shown}
		response, ok, err := certificateAuthenticator{func() (x509.VerifyOptions, bool) { return clientVerifyOptions(roots), true }}.AuthenticateRequest(r)
		if (err != nil) != tc.fails || ok != (tc.user != "") {
			t.Errorf("%s: got authenticated %v and error %v, want authenticated %v and an error: %v", tc.name, ok, err, tc.user != "", tc.fails)
			continue
		}
		if ok && (response.User.GetName() != tc.user || response.User.GetUID() != tc.uid || !slices.Equal(response.User.GetGroups(), jane.Organization)) {
			t.Errorf("%s: got user %+v, want %s with UID %q", tc.name, response.User, tc.user, tc.uid)
		}
	}
}

func TestCertificateWithoutAuthorities(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{newAuthority(t, nil).certificate}}
	response, ok, err := certificateAuthenticator{func() (x509.VerifyOptions, bool) { return x509.VerifyOptions{}, false }}.AuthenticateRequest(r)
	if response != nil || ok || err != nil {
		t.Errorf("got %v, %v, %v, want no user and no error", response, ok, err)
	}
}
