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
		k := &masterKeys{read: func() ([]ed25519.PublicKey, error) { return token.ReadPublicKeys(file) }, verifier: v, onChange: func() { changes++ }, log: slog.New(slog.NewTextHandler(&log, nil))}
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

// TestAgentWaitsForTheFirstKey starts with the folder of an empty ConfigMap, in which a master publishes its key later.
func TestAgentWaitsForTheFirstKey(t *testing.T) {
	dir := t.TempDir()
	public, file := newMasterKey(t, t.TempDir(), "master")
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	mounted := filepath.Join(dir, "signing.key.pub")
	c := Config{ClusterName: "member", Auth: AuthToken, MasterPublicKeyFiles: []string{mounted}}
	synctest.Test(t, func(t *testing.T) {
		v, err := c.verifier()
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		changes := 0
		k := &masterKeys{files: c.MasterPublicKeyFiles, read: c.masterKeys, verifier: v, onChange: func() { changes++ }, log: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.run(ctx) }()
		synctest.Wait()
		for _, content := range []string{"", "\n", string(key)} {
			if err := k.ready(); err == nil || !strings.Contains(err.Error(), mounted) {
				t.Errorf("got ready error %v, want the missing file", err)
			}
			if err := os.WriteFile(mounted, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * keysPeriod)
			synctest.Wait()
		}
		if err := k.ready(); err != nil || changes != 1 || !v.Accepts(public) {
			t.Errorf("got %v after %d changes, accepts the key: %v; want it after one change", err, changes, v.Accepts(public))
		}
		if n := strings.Count(log.String(), "waiting for the master's public key"); n != 2 || strings.Contains(log.String(), "keeping the previous") {
			t.Errorf("want one warning for the missing file and one for the empty file, got\n%s", &log)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
