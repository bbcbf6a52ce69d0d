package servingcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/netip"
	"time"
)

// leafLifetime is the lifetime of a serving certificate.
const leafLifetime = 30 * 24 * time.Hour

// sign returns a serving certificate with a new key for names and IP addresses. It expires no later
// than the CA.
func (a authority) sign(hosts []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate the key of the serving certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("generate a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "rollcall-master"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(leafLifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); err == nil {
			template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("sign the serving certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the serving certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// needsRenewal reports whether two thirds of a certificate's lifetime have passed.
func needsRenewal(leaf *x509.Certificate, now time.Time) bool {
	issued := leaf.NotBefore.Add(clockSkew)
	return !now.Before(issued.Add(leaf.NotAfter.Sub(issued) * 2 / 3))
}

// Hosts returns the DNS names and addresses of a Service in its own cluster and on this machine,
// followed by more.
func Hosts(service, namespace string, more ...string) []string {
	qualified := service + "." + namespace
	return append([]string{service, qualified, qualified + ".svc", qualified + ".svc.cluster.local", "localhost", "127.0.0.1", "::1"}, more...)
}
