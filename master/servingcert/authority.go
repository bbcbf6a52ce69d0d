package servingcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

const (
	// renewBefore is how long before a CA expires the next one is created.
	renewBefore = 365 * 24 * time.Hour
	// signAfter is how long a new CA is published before it signs.
	signAfter = renewBefore / 2
	// clockSkew is how far in the past the validity of certificates starts.
	clockSkew = time.Hour
	// maxAuthorities limits the CAs in a Secret. Two overlap during a renewal.
	maxAuthorities = 4
)

// These are the keys in the data of the Secret. The ConfigMap has caCertKey only.
const (
	caCertKey       = "ca.crt"
	caPrivateKeyKey = "ca.key"
)

// commonNamePrefix starts the common name of all CAs that this package creates.
const commonNamePrefix = "rollcall-master-ca@"

// authority is a certificate authority.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newAuthority returns a CA that is valid for ten years.
func newAuthority(now time.Time) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, fmt.Errorf("generate the key of a CA: %w", err)
	}
	certificate, err := cert.NewSelfSignedCACert(cert.Config{CommonName: fmt.Sprintf("%s%d", commonNamePrefix, now.Unix()), NotBefore: now.Add(-clockSkew)}, key)
	if err != nil {
		return authority{}, fmt.Errorf("sign the certificate of a CA: %w", err)
	}
	return authority{certificate, key}, nil
}

// parse returns the CAs in the data of a Secret, none if it is empty. Errors do not contain the data.
func parse(data map[string][]byte) ([]authority, error) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if key != caCertKey && key != caPrivateKeyKey && len(data[key]) > 0 {
			return nil, fmt.Errorf("unexpected key %q: want only %s and %s", key, caCertKey, caPrivateKeyKey)
		}
	}
	if len(data[caCertKey]) == 0 && len(data[caPrivateKeyKey]) == 0 {
		return nil, nil
	}
	certs, err := parseCertificates(data[caCertKey])
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(data[caPrivateKeyKey])
	if err != nil {
		return nil, err
	}
	if len(certs) != len(keys) || len(certs) > maxAuthorities {
		return nil, fmt.Errorf("%s has %d certificates and %s has %d keys; want the same number, at most %d", caCertKey, len(certs), caPrivateKeyKey, len(keys), maxAuthorities)
	}
	var all []authority
	for i, c := range certs {
		if !keys[i].PublicKey.Equal(c.PublicKey) {
			return nil, fmt.Errorf("key %d of %s does not belong to certificate %d of %s", i+1, caPrivateKeyKey, i+1, caCertKey)
		}
		all = append(all, authority{c, keys[i]})
	}
	return all, nil
}

// parseCertificates returns CA certificates. It rejects certificates that this package did not create.
func parseCertificates(content []byte) ([]*x509.Certificate, error) {
	certs, err := cert.ParseCertsPEM(content)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", caCertKey, err)
	}
	for _, c := range certs {
		if !c.IsCA || !strings.HasPrefix(c.Subject.CommonName, commonNamePrefix) {
			return nil, fmt.Errorf("%s has the certificate of %q, which is not a CA created by a master", caCertKey, c.Subject.CommonName)
		}
		if err := c.CheckSignatureFrom(c); err != nil {
			return nil, fmt.Errorf("%s has a certificate of %q that is not self-signed: %w", caCertKey, c.Subject.CommonName, err)
		}
	}
	return certs, nil
}

// parseKeys returns the private keys in PEM.
func parseKeys(content []byte) (keys []*ecdsa.PrivateKey, err error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		// Errors of the parser are not passed on, as they could contain parts of a key.
		parsed, err := keyutil.ParsePrivateKeyPEM(pem.EncodeToMemory(block))
		if err != nil {
			return nil, fmt.Errorf("parse key %d of %s: invalid private key", len(keys)+1, caPrivateKeyKey)
		}
		key, ok := parsed.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("key %d of %s is not an ECDSA key", len(keys)+1, caPrivateKeyKey)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no private key in PEM", caPrivateKeyKey)
	}
	return keys, nil
}

// encode returns the data of a Secret with the given CAs.
func encode(all []authority) (map[string][]byte, error) {
	certs, err := bundle(all)
	if err != nil {
		return nil, err
	}
	var keys []byte
	for _, a := range all {
		key, err := keyutil.MarshalPrivateKeyToPEM(a.key)
		if err != nil {
			return nil, fmt.Errorf("encode the key of a CA: %w", err)
		}
		keys = append(keys, key...)
	}
	return map[string][]byte{caCertKey: certs, caPrivateKeyKey: keys}, nil
}

// bundle returns the certificates of the CAs in PEM.
func bundle(all []authority) ([]byte, error) {
	var certs []*x509.Certificate
	for _, a := range all {
		certs = append(certs, a.cert)
	}
	content, err := cert.EncodeCertificates(certs...)
	if err != nil {
		return nil, fmt.Errorf("encode the certificates of the CA: %w", err)
	}
	return content, nil
}

// plan returns the CAs that should exist now, and whether they differ from the existing ones. Expired
// CAs are removed. A new one is added if there is none, or if the last one expires within
// renewBefore.
func plan(existing []authority, now time.Time) (desired []authority, changed bool, err error) {
	desired = slices.DeleteFunc(slices.Clone(existing), func(a authority) bool { return !now.Before(a.cert.NotAfter) })
	if len(desired) > 0 && now.Before(desired[len(desired)-1].cert.NotAfter.Add(-renewBefore)) {
		return desired, len(desired) < len(existing), nil
	}
	next, err := newAuthority(now)
	return append(desired, next), true, err
}

// errNoAuthority indicates a bug, as plan returns at least one CA.
var errNoAuthority = errors.New("there is no CA")

// signer returns the CA that signs now: the newest one that has been published for signAfter, else
// the oldest one that outlives a new serving certificate.
func signer(all []authority, now time.Time) (authority, error) {
	if len(all) == 0 {
		return authority{}, errNoAuthority
	}
	for _, a := range slices.Backward(all) {
		if !now.Before(a.cert.NotBefore.Add(clockSkew + signAfter)) {
			return a, nil
		}
	}
	for _, a := range all {
		if !now.Add(leafLifetime).After(a.cert.NotAfter) {
			return a, nil
		}
	}
	return all[len(all)-1], nil
}
