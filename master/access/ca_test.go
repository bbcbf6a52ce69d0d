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

// authorityPEM is a certificate that has a name to be told by.
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
		t.Fatal("no certificate")
	}
	return pool
}

func TestAChangedCAFileIsReadAgainAndABrokenOneChangesNothing(t *testing.T) {
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
		now = now.Add(lookPeriod)
		if got, ok := file.options(); !ok || !got.Roots.Equal(poolOf(t, want)) {
			t.Errorf("%s: it trusts others", when)
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
	if got := strings.Count(log.String(), "cannot be used"); got != 2 {
		t.Errorf("%d warnings, want one each of two troubles:\n%s", got, log.String())
	}
	write(before)
	trusts(before, "when it is back")
}

func TestACAFileWithoutCertificatesIsRefusedAtTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.crt")
	if _, err := New(Config{Hub: (&fakeHub{}).config(), ClientCAFile: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is not there: %v, want its path", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Hub: (&fakeHub{}).config(), ClientCAFile: path}); err == nil || !strings.Contains(err.Error(), "no certificate in it") {
		t.Errorf("an empty file: %v, want that no certificate is in it", err)
	}
}

func TestTheHubsClientCAFollowsItsConfigMap(t *testing.T) {
	var log bytes.Buffer
	client, err := kubernetes.NewForConfig((&fakeHub{}).config())
	if err != nil {
		t.Fatal(err)
	}
	hub := newHubCA(client.CoreV1().RESTClient(), slog.New(slog.NewTextHandler(&log, nil)))
	if _, ok := hub.options(); ok || hub.pending() == nil {
		t.Error("certificates are accepted before anything was read")
	}
	bundle := authorityPEM(t, "hub")
	hub.take(&corev1.ConfigMap{Data: map[string]string{caKey: string(bundle)}})
	for range 2 {
		hub.take(&corev1.ConfigMap{Data: map[string]string{caKey: "nonsense"}})
		if got, ok := hub.options(); !ok || !got.Roots.Equal(poolOf(t, bundle)) {
			t.Error("nonsense replaced a good authority")
		}
	}
	if got := strings.Count(log.String(), "cannot be read"); got != 1 {
		t.Errorf("%d warnings of the same, want one:\n%s", got, log.String())
	}
	hub.take(&corev1.ConfigMap{Data: map[string]string{"requestheader-client-ca-file": string(bundle)}})
	if _, ok := hub.options(); ok {
		t.Error("certificates are accepted although the hub accepts none any more")
	}
}
