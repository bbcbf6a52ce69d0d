package agent

import (
	"context"
	"log/slog"
	"time"

	"rollcall.dev/rollcall/api/token"
)

// keysPeriod is how often the master's public keys are read again. A session whose key is
// gone has ended after it, and has to within 10 s.
const keysPeriod = 3 * time.Second

// masterKeys keeps a Verifier at the keys that are in files.
type masterKeys struct {
	files    []string
	verifier *token.Verifier
	// changed is called when there are other keys.
	changed func()
	log     *slog.Logger
	// failed is the last failure that was logged.
	failed string
}

// run reads the files every keysPeriod until ctx is done.
func (k *masterKeys) run(ctx context.Context) error {
	ticker := time.NewTicker(keysPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			k.read()
		case <-ctx.Done():
			return nil
		}
	}
}

// read replaces the keys by the present content of the files. If they cannot be read, it logs
// this once and keeps the previous keys: a Secret's volume is replaced in several steps, and an
// agent without keys would refuse every master.
func (k *masterKeys) read() {
	keys, err := token.ReadPublicKeys(k.files...)
	switch {
	case err != nil && err.Error() != k.failed:
		k.failed = err.Error()
		k.log.Warn("the master's public keys cannot be read; those before stay in use", "error", err)
	case err == nil:
		k.failed = ""
		if k.verifier.SetKeys(keys...) {
			k.log.Info("the master's public keys changed; sessions of keys that are gone end", "keys", len(keys))
			k.changed()
		}
	}
}
