package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

const certificateLifetime = 7 * 24 * time.Hour

// authority is the only certificate authority of a cluster: for its API server, its users and the aggregation layer.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	PEM         []byte
}

// keyPair is a certificate and its key in PEM.
type keyPair struct {
	certificate, key []byte
}

// newAuthority creates a self-signed certificate authority.
func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("create the key of the certificate authority: %w", err)
	}
	template := certificateTemplate(pkix.Name{CommonName: name})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("create the certificate authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the certificate authority: %w", err)
	}
	return &authority{certificate: certificate, key: key, PEM: encodePEM("CERTIFICATE", der)}, nil
}

// server issues a certificate for a server with the given addresses and names.
func (a *authority) server(addresses []net.IP, names ...string) (keyPair, error) {
	template := certificateTemplate(pkix.Name{CommonName: names[0]})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = names
	template.IPAddresses = addresses
	return a.issue(template)
}

// user issues a client certificate. The API server identifies its holder by the user name and the groups.
func (a *authority) user(name string, groups ...string) (keyPair, error) {
	template := certificateTemplate(pkix.Name{CommonName: name, Organization: groups})
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(template)
}

// issue creates a key and signs a certificate for it.
func (a *authority) issue(template *x509.Certificate) (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, fmt.Errorf("create the key of %s: %w", template.Subject.CommonName, err)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return keyPair{}, fmt.Errorf("create the certificate of %s: %w", template.Subject.CommonName, err)
	}
	encodedKey, err := encodeKey(key)
	if err != nil {
		return keyPair{}, err
	}
	return keyPair{certificate: encodePEM("CERTIFICATE", der), key: encodedKey}, nil
}

// certificateTemplate returns a template with a random serial number, valid for certificateLifetime.
func certificateTemplate(subject pkix.Name) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(certificateLifetime),
	}
}

// encodeKey encodes a private key as SEC 1 PEM. Kubernetes accepts that format also as a source of the public key.
func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	return encodePEM("EC PRIVATE KEY", der), nil
}

// encodePEM returns a PEM block.
func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// ServingCertificate issues a certificate for another server on this machine, at addresses. It returns the files of the
// certificate, its key, and the certificate authority, which the kubeconfigs of this cluster contain too.
func (c *Cluster) ServingCertificate(name string, addresses ...net.IP) (certificate, key, authority string, err error) {
	pair, err := c.ca.server(addresses, name)
	if err != nil {
		return "", "", "", err
	}
	if certificate, err = c.dir.write(pair.certificate, "pki", name+".crt"); err != nil {
		return "", "", "", err
	}
	if key, err = c.dir.write(pair.key, "pki", name+".key"); err != nil {
		return "", "", "", err
	}
	return certificate, key, c.dir.file(caFile), nil
}
