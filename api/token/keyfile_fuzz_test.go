package token

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"runtime"
	"testing"
)

// checkMemory fails the test if f allocates more memory than reading a file of the given size may.
func checkMemory(t *testing.T, size int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(4<<20+1<<10*size) {
		t.Errorf("%d bytes took %d bytes of memory", size, took)
	}
}

// keyFiles returns the two files of a key pair.
func keyFiles(f *testing.F) (private, public []byte) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	open, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: open})
}

// FuzzPrivateKey parses arbitrary data: the result is a complete key or an error.
func FuzzPrivateKey(f *testing.F) {
	private, public := keyFiles(f)
	f.Add(private)
	f.Add(public)
	f.Fuzz(func(t *testing.T, file []byte) {
		checkMemory(t, len(file), func() {
			if key, err := ParsePrivateKey(file); err == nil && len(key) != ed25519.PrivateKeySize {
				t.Errorf("a key of %d bytes", len(key))
			}
		})
	})
}

// FuzzPublicKeys parses arbitrary data: the result is at least one complete key or an error.
func FuzzPublicKeys(f *testing.F) {
	private, public := keyFiles(f)
	f.Add(public)
	f.Add(append(public, public...))
	f.Add(private)
	f.Fuzz(func(t *testing.T, file []byte) {
		checkMemory(t, len(file), func() {
			keys, err := parsePublicKeys(file)
			if err == nil && len(keys) == 0 {
				t.Error("no key and no error")
			}
			for _, key := range keys {
				if len(key) != ed25519.PublicKeySize {
					t.Errorf("a key of %d bytes", len(key))
				}
			}
		})
	})
}
