package master

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"

	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/api/keysecret"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/cache/rediscache"
)

// These are the entries of the Secret and of the ConfigMap. They are the names of the files that agents and masters
// read.
const (
	signingKeyEntry = "signing.key"
	publicKeyEntry  = "signing.key.pub"
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
	// stored is nil if the own key is not in a Secret.
	stored *storedSigningKey
}

// signingKeys returns the keys in the files, or else the key in the Secret.
func (c *Config) signingKeys(ctx context.Context, hub *rest.Config) (keys signingKeys, err error) {
	switch {
	case c.SigningKeyFile != "":
		keys.own, err = token.ReadPrivateKey(c.SigningKeyFile)
	case c.SigningKeySecret != "":
		if keys.stored, err = c.newStoredSigningKey(hub); err == nil {
			err = keys.stored.sync(ctx)
			keys.own = keys.stored.key
		}
	}
	if err != nil {
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
func (k signingKeys) id() string { return keyID(k.own) }

// keyID returns the ID of a key, which is the same in the logs of all masters.
func keyID(key ed25519.PrivateKey) string {
	public, _ := key.Public().(ed25519.PublicKey)
	return rediscache.KeyID(public)
}

// signer returns the signer of tokens for agents, nil if there is no key.
func (k signingKeys) signer() *token.Signer {
	if k.own == nil {
		return nil
	}
	return token.NewSigner(k.own)
}

// storedSigningKey is a signing key that the first master makes and keeps in a Secret for all masters. Its public key
// is published in a ConfigMap. One goroutine at a time uses it.
type storedSigningKey struct {
	objects keysecret.Objects
	loop    keysecret.Loop
	log     *slog.Logger

	// key is nil until the Secret has been read or filled. It does not change afterwards.
	key ed25519.PrivateKey
	// otherID is the ID of another key in the Secret that was logged, or "".
	otherID string
}

// newStoredSigningKey returns the key in the Secret of --signing-key-secret, which has to be read by sync.
func (c *Config) newStoredSigningKey(hub *rest.Config) (*storedSigningKey, error) {
	namespace := keysecret.PodNamespace()
	secrets, configMaps, err := keysecret.NewClients(hub, namespace)
	if err != nil {
		return nil, err
	}
	return newStoredSigningKey(keysecret.Objects{
		Secrets: secrets, ConfigMaps: configMaps, Namespace: namespace, Secret: c.SigningKeySecret, ConfigMap: c.SigningKeyConfigMap,
	}, c.Log), nil
}

// newStoredSigningKey returns the key in the Secret of objects.
func newStoredSigningKey(objects keysecret.Objects, log *slog.Logger) *storedSigningKey {
	objects.Content, objects.Process, objects.Tree = "a signing key of the masters", "master", "config/master"
	objects.Role, objects.Files = "rollcall-master-signing-key of config/rbac/master", "--signing-key-file"
	objects.Replaced = ", restart all masters, and give all agents the public key in the ConfigMap " + objects.ConfigMap
	k := &storedSigningKey{objects: objects, log: log}
	k.loop = keysecret.Loop{Sync: k.sync, Ready: func() error { return nil }, LogError: func(err error) {
		log.Error("cannot read or store the signing key again; this master continues to use it", "error", err)
	}}
	return k
}

// run keeps the Secret and the ConfigMap in agreement with the key until ctx ends.
func (k *storedSigningKey) run(ctx context.Context) error { return k.loop.Run(ctx) }

// sync reads the key in the Secret. If the Secret is empty, it stores the key in use, or a new one. It does not replace
// the key in use, as a rotation has several steps.
func (k *storedSigningKey) sync(ctx context.Context) error {
	var found ed25519.PrivateKey
	stored := false
	err := k.objects.Sync(ctx, func(data map[string][]byte) (changed map[string][]byte, public map[string]string, err error) {
		stored = len(data[signingKeyEntry]) == 0
		switch {
		case !stored:
			if found, err = token.ParsePrivateKey(data[signingKeyEntry]); err != nil {
				return nil, nil, fmt.Errorf("parse %s: %w", signingKeyEntry, err)
			}
		case k.key != nil:
			found = k.key
		default:
			if found, err = token.GenerateKey(); err != nil {
				return nil, nil, err
			}
		}
		private, publicKey, err := token.EncodeKeyPair(found)
		if err != nil {
			return nil, nil, err
		}
		if stored {
			changed = map[string][]byte{signingKeyEntry: private}
		}
		return changed, map[string]string{publicKeyEntry: string(publicKey)}, nil
	})
	if err != nil {
		return err
	}
	k.use(found, stored)
	return nil
}

// use uses the first key that is found, and logs what has changed since. stored tells whether the Secret was empty.
func (k *storedSigningKey) use(found ed25519.PrivateKey, stored bool) {
	secret, published := k.objects.Namespace+"/"+k.objects.Secret, k.objects.Namespace+"/"+k.objects.ConfigMap
	id := keyID(found)
	switch {
	case k.key == nil && stored:
		k.key = found
		k.log.Info("created a signing key for all masters", "key", id, "secret", secret, "published", published)
	case k.key == nil:
		k.key = found
		k.log.Info("signing with the key in the Secret", "key", id, "secret", secret, "published", published)
	case stored:
		k.log.Warn("the Secret of the signing key was emptied; stored the key in use again", "key", id, "secret", secret)
	case !found.Equal(k.key) && k.otherID != id:
		k.otherID = id
		k.log.Warn("the Secret has another signing key than this master uses: give all agents its public key, then restart all masters", "key", keyID(k.key), "other", id, "secret", secret)
	}
}
