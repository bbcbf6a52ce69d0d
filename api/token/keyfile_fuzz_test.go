package token

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"runtime"
	"testing"
)

// within fails if f takes more memory, garbage included, than a file of a size may.
func within(t *testing.T, size int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > uint64(4<<20+1<<10*size) {
		t.Errorf("%d bytes took %d bytes of memory", size, took)
	}
}

// keyFiles are a pair's files.
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

// FuzzPrivateKey gives anything to who reads a signing key: it is one, or an error.
func FuzzPrivateKey(f *testing.F) {
	private, public := keyFiles(f)
	f.Add(private)
	f.Add(public)
	f.Fuzz(func(t *testing.T, file []byte) {
		within(t, len(file), func() {
			if key, err := parsePrivateKey(file); err == nil && len(key) != ed25519.PrivateKeySize {
				t.Errorf("a key of %d bytes", len(key))
			}
		})
	})
}

// FuzzPublicKeys gives anything to who reads public keys: there is one at least, and all
// are whole, or it is an error.
func FuzzPublicKeys(f *testing.F) {
	private, public := keyFiles(f)
	f.Add(public)
	f.Add(append(public, public...))
	f.Add(private)
	f.Fuzz(func(t *testing.T, file []byte) {
		within(t, len(file), func() {
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
