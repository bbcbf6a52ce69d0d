package access

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// reloadPeriod is the minimum time between two checks of the file.
const reloadPeriod = time.Second

// caFile holds the certificate authorities of a PEM file. The file is checked again when a client
// presents a certificate. If it cannot be read, the previous authorities stay in use.
type caFile struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu         sync.Mutex
	checkedAt  time.Time
	content    []byte
	roots      *x509.CertPool
	lastLogged string // the last error that was logged
}

func openCAFile(path string, log *slog.Logger) (*caFile, error) {
	f := &caFile{path: path, log: log, now: time.Now}
	if err := f.readLocked(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *caFile) verifyOptions() (x509.VerifyOptions, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.checkedAt) >= reloadPeriod || now.Before(f.checkedAt) {
		f.checkedAt = now
		f.reloadLocked()
	}
	return clientVerifyOptions(f.roots), true
}

func (f *caFile) reloadLocked() {
	err := f.readLocked()
	switch {
	case err == nil:
		f.lastLogged = ""
	case err.Error() != f.lastLogged:
		f.lastLogged = err.Error()
		f.log.Warn("failed to reload the client CA file; the previous authorities stay in use", "error", err)
	}
}

func (f *caFile) readLocked() error {
	content, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("read client CA: %w", err)
	}
	if f.roots != nil && bytes.Equal(content, f.content) {
		return nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return fmt.Errorf("read client CA %s: %w", f.path, errors.New("it contains no certificate"))
	}
	f.content, f.roots = content, roots
	return nil
}
