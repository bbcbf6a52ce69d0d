package agent

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/token"
)

// keysPeriod is how often the master's public keys are reloaded. Sessions of a removed key must end within 10 s.
const keysPeriod = 3 * time.Second

// masterKeys reloads the keys of a Verifier from files or the join token.
type masterKeys struct {
	// files are those of --master-public-key-file, for messages.
	files    []string
	read     func() ([]ed25519.PublicKey, error)
	verifier *token.Verifier
	// onChange is called after the keys have changed.
	onChange func()
	log      *slog.Logger
	// lastError is the last error that was logged, or "" after a success.
	lastError string
}

// run reloads the files every keysPeriod until ctx is done.
func (k *masterKeys) run(ctx context.Context) error {
	k.reload()
	ticker := time.NewTicker(keysPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			k.reload()
		case <-ctx.Done():
			return nil
		}
	}
}

// ready returns an error while there is no key at all.
func (k *masterKeys) ready() error {
	if k.verifier.HasKeys() {
		return nil
	}
	return fmt.Errorf("no file of --master-public-key-file (%s) has the public key of the master yet: install it with the ConfigMap that is mounted there, or a join token at --join-token-file", strings.Join(k.files, ", "))
}

// reload replaces the keys by the current content of the files. If they cannot be read, it logs the error once and
// keeps the previous keys. That happens, for example, while the volume of a Secret is replaced, and an agent without
// keys would refuse every master.
func (k *masterKeys) reload() {
	keys, err := k.read()
	waiting := errors.Is(err, token.ErrNotYet) && !k.verifier.HasKeys()
	switch {
	case waiting && err.Error() != k.lastError:
		k.lastError = err.Error()
		k.log.Warn("waiting for the master's public key; no master is accepted before", "error", err)
	case err != nil && err.Error() != k.lastError:
		k.lastError = err.Error()
		k.log.Warn("cannot reload the master's public keys; keeping the previous ones", "error", err)
	case err == nil:
		k.lastError = ""
		if k.verifier.SetKeys(keys...) {
			k.log.Info("the master's public keys changed; ending the sessions of removed keys", "keys", len(keys))
			k.onChange()
		}
	}
}
