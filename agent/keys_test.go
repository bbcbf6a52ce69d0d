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

// newMasterKey writes a key pair into dir and returns the public key and its path.
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

// TestMasterKeysAreReloaded checks that changed keys have an effect within 10 s, and that files which cannot be read
// have none.
func TestMasterKeysAreReloaded(t *testing.T) {
	dir := t.TempDir()
	older, olderFile := newMasterKey(t, dir, "older")
	newer, newerFile := newMasterKey(t, dir, "newer")
	file := filepath.Join(dir, "in-use.pub")
	write := func(from ...string) {
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
		write(olderFile)
		v := token.NewVerifier("member", older)
		var log bytes.Buffer
		changes := 0
		k := &masterKeys{files: []string{file}, verifier: v, onChange: func() { changes++ }, log: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.run(ctx) }()
		for _, step := range []struct {
			name         string
			do           func()
			changes      int
			older, newer bool
		}{
			{"nothing changed", func() {}, 0, true, false},
			{"both keys", func() { write(olderFile, newerFile) }, 1, true, true},
			{"garbage", func() { _ = os.WriteFile(file, []byte("garbage"), 0o600) }, 1, true, true},
			{"removed file", func() { _ = os.Remove(file) }, 1, true, true},
			{"only the newer key", func() { write(newerFile) }, 2, false, true},
		} {
			step.do()
			<-time.After(10 * time.Second)
			synctest.Wait()
			if changes != step.changes || v.Accepts(older) != step.older || v.Accepts(newer) != step.newer {
				t.Errorf("%s: got %d changes, accepts older %v, newer %v; want %d, %v, %v", step.name, changes, v.Accepts(older), v.Accepts(newer), step.changes, step.older, step.newer)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 2 {
			t.Errorf("got %d warnings, want one for the garbage and one for the removed file:\n%s", n, &log)
		}
	})
}
