package tlsfiles

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzOpen reads arbitrary files: the result is a complete pair or an error.
func FuzzOpen(f *testing.F) {
	pair, err := SelfSigned("agent", []string{"agent", "127.0.0.1"}, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pair.Cert, pair.Key)
	f.Add(pair.Key, pair.Cert)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"), []byte{})
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		dir := t.TempDir()
		certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		for file, data := range map[string][]byte{certFile: cert, keyFile: key} {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		files, err := Open(certFile, keyFile, nil)
		if err != nil {
			return
		}
		if c, err := files.GetCertificate(nil); err != nil || c == nil || c.PrivateKey == nil {
			t.Errorf("it was read, and gives %v, %v", c, err)
		}
	})
}
