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

// lookPeriod is how often the file is read, at most.
const lookPeriod = time.Second

// caFile is the authorities in a PEM file. It is read again when a client comes with a
// certificate; a file that cannot be read is told in the log once, and what it said
// before stays in use.
type caFile struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	looked  time.Time
	content []byte
	roots   *x509.CertPool
	told    string // the last failure that was logged
}

func openCAFile(path string, log *slog.Logger) (*caFile, error) {
	f := &caFile{path: path, log: log, now: time.Now}
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *caFile) options() (x509.VerifyOptions, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.looked) >= lookPeriod || now.Before(f.looked) {
		f.looked = now
		f.look()
	}
	return verifyBy(f.roots), true
}

func (f *caFile) look() {
	err := f.read()
	switch {
	case err == nil:
		f.told = ""
	case err.Error() != f.told:
		f.told = err.Error()
		f.log.Warn("the changed client CA cannot be used; the one before it stays in use", "error", err)
	}
}

func (f *caFile) read() error {
	content, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("read client CA: %w", err)
	}
	if f.roots != nil && bytes.Equal(content, f.content) {
		return nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return fmt.Errorf("read client CA %s: %w", f.path, errors.New("there is no certificate in it"))
	}
	f.content, f.roots = content, roots
	return nil
}
