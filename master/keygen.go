package master

import (
	"crypto/ed25519"

	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/cache/rediscache"
)

// GenerateSigningKey writes a new signing key to path, and its public half, which
// agents get, to path.pub. Files that are there are never overwritten.
func GenerateSigningKey(path string) error {
	key, err := token.GenerateKey()
	if err != nil {
		return err
	}
	return token.WriteKeyPair(path, key)
}

// signingKeys are the keys of a master.
type signingKeys struct {
	// own is nil where there is none.
	own ed25519.PrivateKey
	// rotation are those that sign nothing.
	rotation []ed25519.PrivateKey
}

func (c *Config) signingKeys() (keys signingKeys, err error) {
	if c.SigningKeyFile == "" {
		return keys, nil
	}
	if keys.own, err = token.ReadPrivateKey(c.SigningKeyFile); err != nil {
		return keys, err
	}
	for _, path := range c.RotationSigningKeyFiles {
		key, err := token.ReadPrivateKey(path)
		if err != nil {
			return keys, err
		}
		keys.rotation = append(keys.rotation, key)
	}
	return keys, nil
}

// id returns the name of the own key, of which there must be one, in entries in Redis.
func (k signingKeys) id() string {
	public, _ := k.own.Public().(ed25519.PublicKey)
	return rediscache.KeyID(public)
}

// signer returns what signs the tokens of dials, nil where they carry none.
func (k signingKeys) signer() *token.Signer {
	if k.own == nil {
		return nil
	}
	return token.NewSigner(k.own)
}
