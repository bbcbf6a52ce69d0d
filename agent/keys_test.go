package agent

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/token"
)

// newMasterKey writes a key pair into dir and returns its public half.
func newMasterKey(t *testing.T, dir, name string) (ed25519.PublicKey, string) {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := token.WriteKeyPair(path, key); err != nil {
		t.Fatal(err)
	}
	return key.Public().(ed25519.PublicKey), path + ".pub"
}

// TestKeysOfMastersAreReadAgain: what was opened by a key that is gone ends within 10 s of the
// change, and files that cannot be read change nothing.
func TestKeysOfMastersAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	older, olderFile := newMasterKey(t, dir, "older")
	newer, newerFile := newMasterKey(t, dir, "newer")
	file := filepath.Join(dir, "in-use.pub")
	put := func(from ...string) {
		t.Helper()
		var all []byte
		for _, f := range from {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
		if err := os.WriteFile(file, all, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		put(olderFile)
		v := token.NewVerifier("member", older)
		var log bytes.Buffer
		changes := 0
		k := &masterKeys{files: []string{file}, verifier: v, changed: func() { changes++ }, log: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- k.run(ctx) }()
		for _, step := range []struct {
			what         string
			do           func()
			changes      int
			older, newer bool
		}{
			{"nothing changed", func() {}, 0, true, false},
			{"both", func() { put(olderFile, newerFile) }, 1, true, true},
			{"garbage", func() { _ = os.WriteFile(file, []byte("garbage"), 0o600) }, 1, true, true},
			{"gone", func() { _ = os.Remove(file) }, 1, true, true},
			{"the newer alone", func() { put(newerFile) }, 2, false, true},
		} {
			step.do()
			<-time.After(10 * time.Second)
			synctest.Wait()
			if changes != step.changes || v.Accepts(older) != step.older || v.Accepts(newer) != step.newer {
				t.Errorf("%s: %d changes, older %v, newer %v; want %d, %v, %v", step.what, changes, v.Accepts(older), v.Accepts(newer), step.changes, step.older, step.newer)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 2 {
			t.Errorf("%d warnings, want one of the garbage and one of the missing file:\n%s", n, &log)
		}
	})
}
