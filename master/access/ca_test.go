package access

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"rollcall.dev/rollcall/api/tlsfiles"
)

// authorityPEM returns a self-signed certificate with the given name.
func authorityPEM(t *testing.T, name string) []byte {
	t.Helper()
	pair, err := tlsfiles.SelfSigned(name, nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Cert
}

func poolOf(t *testing.T, bundle []byte) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bundle) {
		t.Fatal("got no certificate in the bundle, want one")
	}
	return pool
}

func TestCAFileReload(t *testing.T) {
	before, after := authorityPEM(t, "before"), authorityPEM(t, "after")
	path := filepath.Join(t.TempDir(), "ca.crt")
	write := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	write(before)
	file, err := openCAFile(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	file.now = func() time.Time { return now }
	trusts := func(want []byte, when string) {
		t.Helper()
		now = now.Add(reloadPeriod)
		if got, ok := file.verifyOptions(); !ok || !got.Roots.Equal(poolOf(t, want)) {
			t.Errorf("%s: got other authorities than wanted", when)
		}
	}
	trusts(before, "at first")
	write(after)
	trusts(after, "after a change")
	write([]byte("nonsense"))
	trusts(after, "after a broken change")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	trusts(after, "without the file")
	trusts(after, "still without the file")
	if got := strings.Count(log.String(), "failed to reload"); got != 2 {
		t.Errorf("got %d warnings, want one for each of two errors:\n%s", got, log.String())
	}
	write(before)
	trusts(before, "when it is back")
}

func TestInvalidCAFileAtStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.crt")
	if _, err := New(Config{Hub: (&fakeHub{}).config(), ClientCAFile: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("missing file: got error %v, want one with its path", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Hub: (&fakeHub{}).config(), ClientCAFile: path}); err == nil || !strings.Contains(err.Error(), "contains no certificate") {
		t.Errorf("empty file: got error %v, want one that it contains no certificate", err)
	}
}

func TestHubCAFollowsConfigMap(t *testing.T) {
	var log bytes.Buffer
	client, err := kubernetes.NewForConfig((&fakeHub{}).config())
	if err != nil {
		t.Fatal(err)
	}
	hub := newHubCA(client.CoreV1().RESTClient(), slog.New(slog.NewTextHandler(&log, nil)))
	if _, ok := hub.verifyOptions(); ok || hub.pending() == nil {
		t.Error("certificates are accepted before the ConfigMap was read, want none")
	}
	bundle := authorityPEM(t, "hub")
	hub.update(&corev1.ConfigMap{Data: map[string]string{caKey: string(bundle)}})
	for range 2 {
		hub.update(&corev1.ConfigMap{Data: map[string]string{caKey: "nonsense"}})
		if got, ok := hub.verifyOptions(); !ok || !got.Roots.Equal(poolOf(t, bundle)) {
			t.Error("invalid data replaced a valid authority")
		}
	}
	if got := strings.Count(log.String(), "failed to read"); got != 1 {
		t.Errorf("got %d warnings for the same error, want 1:\n%s", got, log.String())
	}
	hub.update(&corev1.ConfigMap{Data: map[string]string{"requestheader-client-ca-file": string(bundle)}})
	if _, ok := hub.verifyOptions(); ok {
		t.Error("certificates are accepted after the hub removed its authority, want none")
	}
}
