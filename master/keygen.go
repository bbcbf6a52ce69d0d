package master

import (
	"crypto/ed25519"

	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/cache/rediscache"
)

// GenerateSigningKey writes a new signing key to path and its public key, which agents need, to
// path.pub. It does not overwrite files.
func GenerateSigningKey(path string) error {
	key, err := token.GenerateKey()
	if err != nil {
		return err
	}
	return token.WriteKeyPair(path, key)
}

// signingKeys has the keys of a master.
type signingKeys struct {
	// own is nil if nothing is signed.
	own ed25519.PrivateKey
	// rotation has the keys of other masters, whose entries in Redis are accepted.
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

// id returns the ID of the own key in Redis entries. There must be an own key.
func (k signingKeys) id() string {
	public, _ := k.own.Public().(ed25519.PublicKey)
	return rediscache.KeyID(public)
}

// signer returns the signer of tokens for agents, nil if there is no key.
func (k signingKeys) signer() *token.Signer {
	if k.own == nil {
		return nil
	}
	return token.NewSigner(k.own)
}
