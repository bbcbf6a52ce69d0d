package master

import "rollcall.dev/rollcall/api/token"

// GenerateSigningKey writes a new signing key to path, and its public half, which
// agents get, to path.pub. Files that are there are never overwritten.
func GenerateSigningKey(path string) error {
	key, err := token.GenerateKey()
	if err != nil {
		return err
	}
	return token.WriteKeyPair(path, key)
}

// signer signs the tokens of dials; nil where they carry none.
func (c *Config) signer() (*token.Signer, error) {
	if c.SigningKeyFile == "" {
		return nil, nil
	}
	key, err := token.ReadPrivateKey(c.SigningKeyFile)
	if err != nil {
		return nil, err
	}
	return token.NewSigner(key), nil
}
