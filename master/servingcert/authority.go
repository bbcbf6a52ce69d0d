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
	// renewBefore is how long before the end of a CA the next one is made.
	renewBefore = 365 * 24 * time.Hour
	// signAfter is how long a CA that follows another one is published before it signs.
	signAfter = renewBefore / 2
	// clockSkew is how much earlier than now certificates begin to be valid.
	clockSkew = time.Hour
	// maxAuthorities is how many CAs a Secret may hold. Two overlap while one is renewed.
	maxAuthorities = 4
)

// Keys of the Secret, of which caKey is the one of the ConfigMap too.
const (
	caKey        = "ca.crt"
	privateCAKey = "ca.key"
)

// commonName is how the subject of each CA begins that was made here.
const commonName = "rollcall-master-ca@"

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
	made, err := cert.NewSelfSignedCACert(cert.Config{CommonName: fmt.Sprintf("%s%d", commonName, now.Unix()), NotBefore: now.Add(-clockSkew)}, key)
	if err != nil {
		return authority{}, fmt.Errorf("sign the certificate of a CA: %w", err)
	}
	return authority{made, key}, nil
}

// parse returns the CAs that a Secret's data holds, none for empty data. An error says what
// is wrong with the data and shows none of it.
func parse(data map[string][]byte) ([]authority, error) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if key != caKey && key != privateCAKey && len(data[key]) > 0 {
			return nil, fmt.Errorf("it has the key %q, and should have %s and %s only", key, caKey, privateCAKey)
		}
	}
	if len(data[caKey]) == 0 && len(data[privateCAKey]) == 0 {
		return nil, nil
	}
	certs, err := parseCertificates(data[caKey])
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(data[privateCAKey])
	if err != nil {
		return nil, err
	}
	if len(certs) != len(keys) || len(certs) > maxAuthorities {
		return nil, fmt.Errorf("%s has %d certificates and %s has %d keys; want as many of both, and %d at most", caKey, len(certs), privateCAKey, len(keys), maxAuthorities)
	}
	var all []authority
	for i, c := range certs {
		if !keys[i].PublicKey.Equal(c.PublicKey) {
			return nil, fmt.Errorf("key %d of %s does not belong to certificate %d of %s", i+1, privateCAKey, i+1, caKey)
		}
		all = append(all, authority{c, keys[i]})
	}
	return all, nil
}

// parseCertificates returns the certificates of CAs that were made here.
func parseCertificates(content []byte) ([]*x509.Certificate, error) {
	certs, err := cert.ParseCertsPEM(content)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", caKey, err)
	}
	for _, c := range certs {
		if !c.IsCA || !strings.HasPrefix(c.Subject.CommonName, commonName) {
			return nil, fmt.Errorf("%s has the certificate of %q, which is no CA that a master made", caKey, c.Subject.CommonName)
		}
		if err := c.CheckSignatureFrom(c); err != nil {
			return nil, fmt.Errorf("%s has a certificate of %q that did not sign itself: %w", caKey, c.Subject.CommonName, err)
		}
	}
	return certs, nil
}

func parseKeys(content []byte) (keys []*ecdsa.PrivateKey, err error) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		// The errors of the parsers are not shown: what they tell of is a key.
		parsed, err := keyutil.ParsePrivateKeyPEM(pem.EncodeToMemory(block))
		if err != nil {
			return nil, fmt.Errorf("key %d of %s cannot be read", len(keys)+1, privateCAKey)
		}
		key, ok := parsed.(*ecdsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("key %d of %s is no ECDSA key", len(keys)+1, privateCAKey)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no private key in PEM", privateCAKey)
	}
	return keys, nil
}

// encode returns CAs as a Secret's data.
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
	return map[string][]byte{caKey: certs, privateCAKey: keys}, nil
}

// bundle returns the certificates of CAs in PEM, as clients want them.
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

// plan returns which CAs there should be now, and whether these are others than held: one
// that has expired goes, and a next one comes where there is none, or where the last one ends
// within renewBefore.
func plan(held []authority, now time.Time) (wanted []authority, changed bool, err error) {
	wanted = slices.DeleteFunc(slices.Clone(held), func(a authority) bool { return !now.Before(a.cert.NotAfter) })
	if len(wanted) > 0 && now.Before(wanted[len(wanted)-1].cert.NotAfter.Add(-renewBefore)) {
		return wanted, len(wanted) < len(held), nil
	}
	next, err := newAuthority(now)
	return append(wanted, next), true, err
}

// errNoAuthority is a bug: plan returns one CA at least.
var errNoAuthority = errors.New("there is no CA")

// signer returns the CA that signs at a time: the newest one that has been published for
// signAfter, else the oldest one that lasts longer than what it signs.
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
