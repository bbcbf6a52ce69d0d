package tlsfiles

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// checkInterval is the shortest interval between two checks of the files.
const checkInterval = time.Second

// Files is a certificate and its key in two PEM files. After the files change, as when a
// certificate is renewed or a Secret's volume is updated, the next client gets the new pair. If
// the new pair cannot be read, this is logged once and the previous pair stays in use.
type Files struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu        sync.Mutex
	checkedAt time.Time
	versions  [2]fileVersion // of the certificate and the key that are in use
	pair      *tls.Certificate
	lastError string // the last error that was logged
}

// fileVersion identifies a version of a file by its inode, modification time and size.
type fileVersion struct{ info os.FileInfo }

// Open reads the pair and returns an error if it is not usable.
func Open(certFile, keyFile string, log *slog.Logger) (*Files, error) {
	f := &Files{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// GetCertificate returns the current certificate; use it as tls.Config.GetCertificate.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.checkedAt) >= checkInterval || now.Before(f.checkedAt) {
		f.checkedAt = now
		f.reload()
	}
	return f.pair, nil
}

// reload reads the pair again if a file changed. The two files are not written at the same
// instant, so a mismatched pair is read again at the next check.
func (f *Files) reload() {
	cert, key := versionOf(f.certFile), versionOf(f.keyFile)
	if cert.same(f.versions[0]) && key.same(f.versions[1]) {
		return
	}
	err := f.load()
	switch {
	case err == nil:
		f.lastError = ""
		f.log.Info("reloaded the changed certificate", "file", f.certFile)
	case err.Error() != f.lastError:
		f.lastError = err.Error()
		f.log.Warn("the changed certificate cannot be used; keeping the previous one", "error", err)
	}
}

func (f *Files) load() error {
	// Take the versions first, so that a change during reading is detected later.
	versions := [2]fileVersion{versionOf(f.certFile), versionOf(f.keyFile)}
	pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate %s with key %s: %w", f.certFile, f.keyFile, err)
	}
	f.versions, f.pair = versions, &pair
	return nil
}

// versionOf returns the version of a file, zero if it does not exist.
func versionOf(file string) fileVersion {
	info, err := os.Stat(file)
	if err != nil {
		return fileVersion{}
	}
	return fileVersion{info}
}

// same reports whether two versions are the same, or the file does not exist in both.
func (v fileVersion) same(o fileVersion) bool {
	if v.info == nil || o.info == nil {
		return v.info == nil && o.info == nil
	}
	return os.SameFile(v.info, o.info) && v.info.ModTime().Equal(o.info.ModTime()) && v.info.Size() == o.info.Size()
}
