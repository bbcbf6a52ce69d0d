package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

func newPair(t *testing.T, name string) Pair {
	t.Helper()
	pair, err := SelfSigned(name, []string{"localhost", "127.0.0.1", "::1"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func leaf(t *testing.T, p Pair) *x509.Certificate {
	t.Helper()
	cert, err := p.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func files(t *testing.T) (certFile, keyFile string) {
	dir := t.TempDir()
	return filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
}

// overwrite replaces a file's content and sets a newer time, whatever the file system's resolution
// is.
func overwrite(t *testing.T, file string, content []byte, modified time.Time) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, modified, modified); err != nil {
		t.Fatal(err)
	}
}

// served returns the common name of the certificate that a client gets.
func served(t *testing.T, f *Files) string {
	t.Helper()
	cert, err := f.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf.Subject.CommonName
}

func TestChangedFilesAreServedToTheNextClient(t *testing.T) {
	certFile, keyFile := files(t)
	if err := newPair(t, "first").Write(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	f, err := Open(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	f.now = func() time.Time { return now }
	if got := served(t, f); got != "first" {
		t.Fatalf("serves %q, want first", got)
	}
	second := newPair(t, "second")
	overwrite(t, certFile, second.Cert, now.Add(time.Minute))
	now = now.Add(checkInterval)
	if got := served(t, f); got != "first" {
		t.Errorf("with a certificate whose key is not there yet it serves %q, want first", got)
	}
	now = now.Add(checkInterval)
	served(t, f)
	if got := strings.Count(logged.String(), "WARN"); got != 1 {
		t.Errorf("warned %d times of one failure, want once:\n%s", got, &logged)
	}
	overwrite(t, keyFile, second.Key, now.Add(time.Minute))
	if got := served(t, f); got != "first" {
		t.Errorf("looked at the files twice within %s", checkInterval)
	}
	now = now.Add(checkInterval)
	if got := served(t, f); got != "second" {
		t.Errorf("serves %q, want second", got)
	}
}

func TestChangedLinkIsReloaded(t *testing.T) {
	dir := t.TempDir()
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		pair := newPair(t, name)
		overwrite(t, filepath.Join(dir, name, "tls.crt"), pair.Cert, past)
		overwrite(t, filepath.Join(dir, name, "tls.key"), pair.Key, past)
	}
	link := filepath.Join(dir, "data")
	relink := func(to string) {
		t.Helper()
		if err := os.Symlink(to, link+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
	}
	relink("a")
	f, err := Open(filepath.Join(link, "tls.crt"), filepath.Join(link, "tls.key"), discard)
	if err != nil {
		t.Fatal(err)
	}
	relink("b")
	if got := served(t, f); got != "b" {
		t.Errorf("serves %q, want b", got)
	}
}

func TestDeletedFilesKeepThePair(t *testing.T) {
	certFile, keyFile := files(t)
	if err := newPair(t, "first").Write(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	f, err := Open(certFile, keyFile, discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	if got := served(t, f); got != "first" {
		t.Errorf("serves %q, want first", got)
	}
}

func TestWriteDoesNotOverwrite(t *testing.T) {
	certFile, keyFile := files(t)
	if err := newPair(t, "first").Write(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(keyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key has mode %v (%v), want 0600", info.Mode().Perm(), err)
	}
	if err := newPair(t, "second").Write(certFile, keyFile); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second write gives %v, want that the file exists", err)
	}
}

func TestPinDependsOnKeyOnly(t *testing.T) {
	a, b := leaf(t, newPair(t, "same")), leaf(t, newPair(t, "same"))
	if Pin(a) == Pin(b) {
		t.Error("two keys have one pin")
	}
	if got := Pin(a); len(got) != 64 || got != strings.ToLower(got) {
		t.Errorf("pin is %q, want 64 digits in lower case", got)
	}
}

func TestServerConfigSelfSigned(t *testing.T) {
	config, err := ServerConfig("", "", discard, "rollcall-master", "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(config.Certificates[0].Leaf)
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	server := tls.Server(there, config)
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := tls.Client(here, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}).Handshake(); err != nil {
		t.Errorf("a client that trusts the pair: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("server: %v", err)
	}
}

func TestServerConfigErrors(t *testing.T) {
	certFile, keyFile := files(t)
	for _, tc := range []struct{ cert, key, want string }{
		{certFile, "", "a certificate file needs a key file"},
		{"", keyFile, "a certificate file needs a key file"},
		{certFile, keyFile, "read certificate " + certFile},
	} {
		if _, err := ServerConfig(tc.cert, tc.key, discard, "x"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("cert %q key %q: got %v, want %q", tc.cert, tc.key, err, tc.want)
		}
	}
}
