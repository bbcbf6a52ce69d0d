package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rollcall.dev/rollcall/api/tlsfiles"
)

// certificateName is the DNS name in certificates that the agent generates. A ClusterAgent with such a
// certificate as caBundle needs it as serverName. With a pin the name is not checked.
const certificateName = "rollcall-agent"

// certificateDuration is the validity of certificates that GenerateCertificate writes. It is long, because
// a ClusterAgent pins the key.
const certificateDuration = 10 * 365 * 24 * time.Hour

// GenerateCertificate writes a self-signed certificate and its key to tls.crt and tls.key in dir. It
// returns the pin for a ClusterAgent's spec.tls.pinnedSHA256, and writes it to tls.pin. It returns an
// error if the files exist.
func GenerateCertificate(dir string) (pin string, err error) {
	pair, err := tlsfiles.SelfSigned(certificateName, []string{certificateName}, certificateDuration)
	if err != nil {
		return "", err
	}
	certificate, err := pair.Certificate()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("create the directory: %w", err)
	}
	if err := pair.Write(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")); err != nil {
		return "", err
	}
	pin = tlsfiles.Pin(certificate.Leaf)
	if err := os.WriteFile(filepath.Join(dir, "tls.pin"), []byte(pin+"\n"), 0o644); err != nil { //nolint:gosec // a pin is public
		return "", fmt.Errorf("write the pin: %w", err)
	}
	return pin, nil
}
