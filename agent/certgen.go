package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rollcall.dev/rollcall/api/tlsfiles"
)

// certificateName is the name in certificates that the agent makes: the serverName
// to expect where one is given as a caBundle. A pin needs no name.
const certificateName = "rollcall-agent"

// certificateLifetime is that of a lasting pair: who pins a key wants it to stay.
const certificateLifetime = 10 * 365 * 24 * time.Hour

// GenerateCertificate writes a lasting self-signed pair into dir, as tls.crt and
// tls.key, and its pin for a ClusterAgent's spec.tls.pinnedSHA256 as tls.pin, and
// gives the pin. A pair that is there is never overwritten.
func GenerateCertificate(dir string) (pin string, err error) {
	pair, err := tlsfiles.SelfSigned(certificateName, []string{certificateName}, certificateLifetime)
	if err != nil {
		return "", err
	}
	certificate, err := pair.Certificate()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	if err := pair.Write(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")); err != nil {
		return "", err
	}
	pin = tlsfiles.Pin(certificate.Leaf)
	if err := os.WriteFile(filepath.Join(dir, "tls.pin"), []byte(pin+"\n"), 0o644); err != nil { //nolint:gosec // a pin is public
		return "", fmt.Errorf("write pin: %w", err)
	}
	return pin, nil
}
