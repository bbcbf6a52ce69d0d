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

// certificates knows clients by their certificates: options has the authorities, and
// says no while there are none.
type certificates struct {
	options func() (x509.VerifyOptions, bool)
}

// AuthenticateRequest implements authenticator.Request.
func (c certificates) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, false, nil
	}
	options, ok := c.options()
	if !ok {
		return nil, false, nil
	}
	shown := r.TLS.PeerCertificates[0]
	options.Intermediates = x509.NewCertPool()
	for _, intermediate := range r.TLS.PeerCertificates[1:] {
		options.Intermediates.AddCert(intermediate)
	}
	if _, err := shown.Verify(options); err != nil {
		return nil, false, fmt.Errorf("verify a client certificate: %w", err)
	}
	return owner(shown)
}

// owner is whom a certificate is of, as the hub's API server reads it: the user is the
// common name, the groups are the organizations. One without a common name is nobody's.
func owner(c *x509.Certificate) (*authenticator.Response, bool, error) {
	if c.Subject.CommonName == "" {
		return nil, false, nil
	}
	uid, err := uidOf(c)
	if err != nil {
		return nil, false, err
	}
	fingerprint := sha256.Sum256(c.Raw)
	return &authenticator.Response{User: &user.DefaultInfo{
		Name: c.Subject.CommonName, UID: uid, Groups: c.Subject.Organization,
		Extra: map[string][]string{user.CredentialIDKey: {"X509SHA256=" + hex.EncodeToString(fingerprint[:])}},
	}}, true, nil
}

// uidOf is the user's UID in a certificate's subject, where there is one.
func uidOf(c *x509.Certificate) (string, error) {
	uid, found := "", false
	for _, name := range c.Subject.Names {
		if !name.Type.Equal(asn1.X509UID()) {
			continue
		}
		text, ok := name.Value.(string)
		if !ok || text == "" || found {
			return "", errors.New("read a client certificate: it has several UIDs of its user, or one that is no text")
		}
		uid, found = text, true
	}
	return uid, nil
}
