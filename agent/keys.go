package agent

import (
	"context"
	"log/slog"
	"time"

	"rollcall.dev/rollcall/api/token"
)

// keysPeriod is how often the master's public keys are reloaded. Sessions of a removed key must end within 10 s.
const keysPeriod = 3 * time.Second

// masterKeys reloads the keys of a Verifier from files.
type masterKeys struct {
	files    []string
	verifier *token.Verifier
	// onChange is called after the keys have changed.
	onChange func()
	log      *slog.Logger
	// lastError is the last error that was logged, or "" after a success.
	lastError string
}

// run reloads the files every keysPeriod until ctx is done.
func (k *masterKeys) run(ctx context.Context) error {
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

// reload replaces the keys by the current content of the files. If they cannot be read, it logs the error once and
// keeps the previous keys. That happens, for example, while the volume of a Secret is replaced, and an agent without
// keys would refuse every master.
func (k *masterKeys) reload() {
	keys, err := token.ReadPublicKeys(k.files...)
	switch {
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
