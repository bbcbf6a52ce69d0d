package agent

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/tlsfiles"
)

func TestGenerateCertificateWritesPairAndPin(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "directory")
	pin, err := GenerateCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	if pin != tlsfiles.Pin(pair.Leaf) {
		t.Errorf("got pin %s, want that of the certificate, %s", pin, tlsfiles.Pin(pair.Leaf))
	}
	if left := time.Until(pair.Leaf.NotAfter); left < 9*365*24*time.Hour {
		t.Errorf("certificate is valid for %s, want ten years", left)
	}
	if written, err := os.ReadFile(filepath.Join(dir, "tls.pin")); err != nil || strings.TrimSpace(string(written)) != pin {
		t.Errorf("tls.pin: got %q, %v; want %q", written, err, pin)
	}
	if info, err := os.Stat(filepath.Join(dir, "tls.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("tls.key: got mode %v, %v; want 0600", info.Mode(), err)
	}
	if _, err := GenerateCertificate(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second call: got %v, want %v", err, fs.ErrExist)
	}
	if again, _ := os.ReadFile(filepath.Join(dir, "tls.pin")); strings.TrimSpace(string(again)) != pin {
		t.Error("the pin was overwritten")
	}
}
