package tlsfiles

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
)

// Trust has the settings by which a client verifies the certificate of a server.
type Trust struct {
	// CABundle has the trusted CA certificates in PEM. If it is empty, the system's CAs are trusted.
	CABundle []byte
	// ServerName is the name in the certificate. The default is the host of the endpoint.
	ServerName string
	// PinnedSHA256 has the accepted keys, each as the SHA-256 of the certificate's SubjectPublicKeyInfo in
	// hex. With a pin and without a CABundle only the key is verified.
	PinnedSHA256 []string
}

// PinError is the error for a server whose key is not pinned.
type PinError struct {
	// Presented is the pin of the server's key.
	Presented string
}

func (e *PinError) Error() string {
	return "the key of the certificate is not pinned: its SHA-256 is " + e.Presented
}

// ClientConfig returns the configuration of a client that connects to a server with the given host, by TLS 1.3 and
// HTTP/1.1.
func (t Trust) ClientConfig(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: host, NextProtos: []string{"http/1.1"}}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
	}
	if len(t.CABundle) > 0 {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CABundle) {
			return nil, errors.New("caBundle has no PEM certificate")
		}
	}
	if len(t.PinnedSHA256) == 0 {
		return c, nil
	}
	pins, err := decodePins(t.PinnedSHA256)
	if err != nil {
		return nil, err
	}
	// With a pin and without a CABundle the key alone identifies the agent. VerifyConnection also verifies
	// resumed connections.
	c.InsecureSkipVerify = len(t.CABundle) == 0
	c.VerifyConnection = func(s tls.ConnectionState) error { return verifyPin(s, pins) }
	return c, nil
}

func decodePins(hexes []string) ([][]byte, error) {
	var pins [][]byte
	for _, h := range hexes {
		pin, err := hex.DecodeString(h)
		if err != nil || len(pin) != sha256.Size {
			return nil, fmt.Errorf("invalid pin %q: want 64 hex digits, the SHA-256 of a SubjectPublicKeyInfo", h)
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

// verifyPin verifies the key of the peer's certificate. The TLS handshake has proven that the peer has the
// private key.
func verifyPin(s tls.ConnectionState, pins [][]byte) error {
	if len(s.PeerCertificates) == 0 {
		return &PinError{Presented: "none"}
	}
	key := sha256.Sum256(s.PeerCertificates[0].RawSubjectPublicKeyInfo)
	matches := 0
	for _, pin := range pins {
		matches |= subtle.ConstantTimeCompare(pin, key[:])
	}
	if matches == 0 {
		return &PinError{Presented: hex.EncodeToString(key[:])}
	}
	return nil
}

// IsCertificateError reports whether a connection failed because of the server's certificate.
func IsCertificateError(err error) bool {
	var pin *PinError
	var verification *tls.CertificateVerificationError
	return errors.As(err, &pin) || errors.As(err, &verification)
}
