package tlsfiles

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookPeriod is how often the files are looked at, at most.
const lookPeriod = time.Second

// Files is a certificate and its key in two PEM files. When the files change, as they
// do when a certificate is renewed or a Secret's volume is updated, the next client
// gets the new pair. A pair that cannot be read is told in the log once, and the one
// before it stays in use.
type Files struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu     sync.Mutex
	looked time.Time
	seen   [2]stamp
	pair   *tls.Certificate
	failed string // the last failure that was logged
}

// stamp tells one version of a file from another: a renewed file is newer, a swapped
// link leads elsewhere.
type stamp struct{ info os.FileInfo }

// Open reads the pair for the first time.
func Open(certFile, keyFile string, log *slog.Logger) (*Files, error) {
	f := &Files{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// GetCertificate is for tls.Config.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); now.Sub(f.looked) >= lookPeriod || now.Before(f.looked) {
		f.looked = now
		f.look()
	}
	return f.pair, nil
}

// look loads the pair anew where a file changed. The two files are not written at one
// instant, so a pair that does not fit is tried again at the next look.
func (f *Files) look() {
	cert, key := stampOf(f.certFile), stampOf(f.keyFile)
	if cert.same(f.seen[0]) && key.same(f.seen[1]) {
		return
	}
	err := f.load()
	switch {
	case err == nil:
		f.failed = ""
		f.log.Info("certificate changed and was read again", "file", f.certFile)
	case err.Error() != f.failed:
		f.failed = err.Error()
		f.log.Warn("the changed certificate cannot be used; the one before it stays in use", "error", err)
	}
}

func (f *Files) load() error {
	// The stamps are taken first: what changes during the reading is seen as changed.
	seen := [2]stamp{stampOf(f.certFile), stampOf(f.keyFile)}
	pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate %s with key %s: %w", f.certFile, f.keyFile, err)
	}
	f.seen, f.pair = seen, &pair
	return nil
}

// stampOf is empty for a file that is not there.
func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}
	}
	return stamp{info}
}

func (s stamp) same(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == nil && o.info == nil
	}
	return os.SameFile(s.info, o.info) && s.info.ModTime().Equal(o.info.ModTime()) && s.info.Size() == o.info.Size()
}
