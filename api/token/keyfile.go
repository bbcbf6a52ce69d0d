package token

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// PEM block types: PKCS #8 and PKIX, as openssl writes them.
const (
	pemPrivate = "PRIVATE KEY"
	pemPublic  = "PUBLIC KEY"
)

// publicSuffix is appended to the private key's file name for the public key.
const publicSuffix = ".pub"

// GenerateKey returns a new signing key.
func GenerateKey() (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	return key, nil
}

// WriteKeyPair writes a signing key to path, readable by its owner only, and its public key to
// path.pub, readable by all. It does not overwrite files, since agents would refuse a master with
// a new key.
func WriteKeyPair(path string, key ed25519.PrivateKey) error {
	private, public, err := EncodeKeyPair(key)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path + publicSuffix); err == nil {
		return fmt.Errorf("write key pair: %s: %w", path+publicSuffix, fs.ErrExist)
	}
	if err := create(path, private, 0o600); err != nil {
		return err
	}
	if err := create(path+publicSuffix, public, 0o644); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// EncodeKeyPair returns a signing key and its public key in PEM, as WriteKeyPair writes them.
func EncodeKeyPair(key ed25519.PrivateKey) (private, public []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode signing key: %w", err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encode public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: publicDER}), nil
}

func create(path string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // the user of keygen chooses the path
	if err != nil {
		return fmt.Errorf("write key pair: %w", err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write key pair: %w", err)
	}
	return nil
}

// ReadPrivateKey returns the signing key in a PEM file.
func ReadPrivateKey(path string) (ed25519.PrivateKey, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the path is a flag's
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	key, err := ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %s: %w", path, err)
	}
	return key, nil
}

// ParsePrivateKey returns the signing key in PEM.
func ParsePrivateKey(data []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemPrivate {
		return nil, fmt.Errorf("there is no PEM block %q", pemPrivate)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T, want an Ed25519 key", parsed)
	}
	return key, nil
}

// ErrNotYet is the error of ReadPublicKeys for a file that is empty, or missing in a folder that exists. The volume of
// an empty ConfigMap is such a folder, until a master publishes its key.
var ErrNotYet = errors.New("there is no key yet")

// ReadPublicKeys returns all public keys in PEM files. A file without a key is an error.
func ReadPublicKeys(paths ...string) ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	for _, path := range paths {
		data, err := os.ReadFile(path) //nolint:gosec // the path is a flag's
		if errors.Is(err, fs.ErrNotExist) && isFolder(filepath.Dir(path)) {
			err = fmt.Errorf("%w (%w)", ErrNotYet, err)
		}
		if err != nil {
			return nil, fmt.Errorf("read public key: %w", err)
		}
		inFile, err := parsePublicKeys(data)
		if err != nil {
			return nil, fmt.Errorf("read public key: %s: %w", path, err)
		}
		keys = append(keys, inFile...)
	}
	return keys, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func parsePublicKeys(data []byte) ([]ed25519.PublicKey, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrNotYet)
	}
	var keys []ed25519.PublicKey
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == pemPrivate {
			return nil, errors.New("the file has a private key, which only the master may have: use its .pub file")
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		key, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("the file has a %T, want an Ed25519 key", parsed)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("the file has no PEM block %q", pemPublic)
	}
	return keys, nil
}
