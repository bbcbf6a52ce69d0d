package token

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyPairRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	key, public := newKey(t)
	if err := WriteKeyPair(path, key); err != nil {
		t.Fatal(err)
	}
	back, err := ReadPrivateKey(path)
	if err != nil || !back.Equal(key) {
		t.Fatalf("private key: %v, equal: %v", err, back.Equal(key))
	}
	keys, err := ReadPublicKeys(path+".pub", path+".pub")
	if err != nil || len(keys) != 2 || !keys[0].Equal(public) {
		t.Fatalf("public keys: %v, %v", keys, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("private key's mode: %v, %v; want 0600", info.Mode(), err)
	}
}

func TestWriteKeyPairDoesNotOverwrite(t *testing.T) {
	for _, taken := range []string{"master.key", "master.key.pub"} {
		t.Run(taken, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, taken), []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			key, _ := newKey(t)
			if err := WriteKeyPair(filepath.Join(dir, "master.key"), key); !errors.Is(err, fs.ErrExist) {
				t.Fatalf("err = %v, want %v", err, fs.ErrExist)
			}
			files, err := os.ReadDir(dir)
			if err != nil || len(files) != 1 {
				t.Errorf("files: %v, %v; want the one that was there", files, err)
			}
			if data, _ := os.ReadFile(filepath.Join(dir, taken)); string(data) != "precious" {
				t.Errorf("%s was overwritten with %q", taken, data)
			}
		})
	}
}

func TestPublicKeyFileMayHoldSeveral(t *testing.T) {
	dir := t.TempDir()
	var both []byte
	for _, name := range []string{"a", "b"} {
		key, _ := newKey(t)
		if err := WriteKeyPair(filepath.Join(dir, name), key); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, name+".pub"))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, data...)
	}
	keys, err := parsePublicKeys(both)
	if err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v; want 2", len(keys), err)
	}
}

func TestKeyFileErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := filepath.Join(dir, "pair")
	key, _ := newKey(t)
	if err := WriteKeyPair(pair, key); err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaPrivate, _ := x509.MarshalPKCS8PrivateKey(rsaKey)
	rsaPublic, _ := x509.MarshalPKIXPublicKey(rsaKey.Public())
	encode := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}

	for _, tc := range []struct{ name, public, private, want string }{
		{name: "missing", public: filepath.Join(dir, "none"), want: "no such file"},
		{name: "missing in a folder", public: filepath.Join(dir, "none"), want: ErrNotYet.Error()},
		{name: "missing folder", public: filepath.Join(dir, "none", "none"), want: "read public key: open "},
		{name: "empty", public: write("empty", nil), want: ErrNotYet.Error()},
		{name: "missing private", private: filepath.Join(dir, "none"), want: "no such file"},
		{name: "no PEM", public: write("text", []byte("hello")), want: "no PEM block"},
		{name: "no PEM in private", private: write("text", []byte("hello")), want: "no PEM block"},
		{name: "private key as public", public: pair, want: "use its .pub file"},
		{name: "public key as private", private: pair + ".pub", want: "no PEM block"},
		{name: "RSA public", public: write("rsa.pub", encode(pemPublic, rsaPublic)), want: "want an Ed25519 key"},
		{name: "RSA private", private: write("rsa", encode(pemPrivate, rsaPrivate)), want: "want an Ed25519 key"},
		{name: "broken public", public: write("broken.pub", encode(pemPublic, []byte("x"))), want: "broken.pub"},
		{name: "broken private", private: write("broken", encode(pemPrivate, []byte("x"))), want: "broken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var err error
			if tc.public != "" {
				_, err = ReadPublicKeys(pair+".pub", tc.public)
			} else {
				_, err = ReadPrivateKey(tc.private)
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want one with %q", err, tc.want)
			}
		})
	}
}
