package access

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"

	"k8s.io/apimachinery/pkg/apis/asn1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// certificateAuthenticator authenticates clients by their certificates. verifyOptions returns
// false if there are no certificate authorities.
type certificateAuthenticator struct {
	verifyOptions func() (x509.VerifyOptions, bool)
}

// AuthenticateRequest implements authenticator.Request.
func (c certificateAuthenticator) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, false, nil
	}
	options, ok := c.verifyOptions()
	if !ok {
		return nil, false, nil
	}
	leaf := r.TLS.PeerCertificates[0]
	options.Intermediates = x509.NewCertPool()
	for _, intermediate := range r.TLS.PeerCertificates[1:] {
		options.Intermediates.AddCert(intermediate)
	}
	if _, err := leaf.Verify(options); err != nil {
		return nil, false, fmt.Errorf("verify client certificate: %w", err)
	}
	return certificateUser(leaf)
}

// certificateUser returns the user of a certificate as the Kubernetes API server does: the common
// name is the user, the organizations are the groups. It returns false without a common name.
func certificateUser(c *x509.Certificate) (*authenticator.Response, bool, error) {
	if c.Subject.CommonName == "" {
		return nil, false, nil
	}
	uid, err := certificateUID(c)
	if err != nil {
		return nil, false, err
	}
	fingerprint := sha256.Sum256(c.Raw)
	return &authenticator.Response{User: &user.DefaultInfo{
		Name: c.Subject.CommonName, UID: uid, Groups: c.Subject.Organization,
		Extra: map[string][]string{user.CredentialIDKey: {"X509SHA256=" + hex.EncodeToString(fingerprint[:])}},
	}}, true, nil
}

// certificateUID returns the user's UID in the subject of a certificate, "" if there is none.
func certificateUID(c *x509.Certificate) (string, error) {
	uid, found := "", false
	for _, name := range c.Subject.Names {
		if !name.Type.Equal(asn1.X509UID()) {
			continue
		}
		text, ok := name.Value.(string)
		if !ok || text == "" || found {
			return "", errors.New("read client certificate: the subject must have at most one UID, which must be a non-empty string")
		}
		uid, found = text, true
	}
	return uid, nil
}
