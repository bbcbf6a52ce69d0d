package main

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// fetcher downloads files over HTTP.
type fetcher struct {
	client *http.Client
	log    func(format string, args ...any)
	// attempts is how often a file is requested. Each one continues where the last one ended.
	attempts int
	// window is the time in which at least minimum bytes of a file have to arrive.
	window  time.Duration
	minimum int64
	// progress is the time between two lines of progress.
	progress time.Duration
}

// newFetcher returns a fetcher that gives up after seconds.
func newFetcher(transport *http.Transport, log func(string, ...any)) *fetcher {
	transport.DialContext = (&net.Dialer{Timeout: 3 * time.Second}).DialContext
	transport.TLSHandshakeTimeout = 3 * time.Second
	transport.ResponseHeaderTimeout = 5 * time.Second
	return &fetcher{
		client: &http.Client{Transport: transport}, log: log,
		attempts: 4, window: 8 * time.Second, minimum: 2 << 20, progress: 5 * time.Second,
	}
}

// errSlow is the error of a server that sends less than the minimum.
var errSlow = errors.New("the server is too slow")

// statusError is the error of a response with another status.
type statusError struct{ status string }

func (e *statusError) Error() string { return "the server answered " + e.status }

// small returns a small file, such as an index, of at most limit bytes.
func (f *fetcher) small(ctx context.Context, url string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, f.window)
	defer cancel()
	response, err := f.get(ctx, url, 0)
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", url, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", url, err)
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("download %s: the file has more than %d bytes", url, limit)
	}
	return content, nil
}

// get requests a file from an offset.
func (f *fetcher) get(ctx context.Context, url string, offset int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK && (offset == 0 || response.StatusCode != http.StatusPartialContent) {
		response.Body.Close()
		return nil, &statusError{response.Status}
	}
	return response, nil
}

// errTooLarge is the error of a file that is larger than its limit.
var errTooLarge = errors.New("the file has more")

// large downloads a file of at most limit bytes to path, and verifies its SHA-512 in hexadecimal. A connection that
// breaks is resumed. After an error the file does not exist.
func (f *fetcher) large(ctx context.Context, url, path, sum string, limit int64) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create the file for a download: %w", err)
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			_ = os.Remove(path)
		}
	}()
	for attempt := 1; ; attempt++ {
		err := f.continueAt(ctx, url, file, limit)
		if err == nil {
			break
		}
		var status *statusError
		if attempt == f.attempts || ctx.Err() != nil || errors.Is(err, errSlow) || errors.Is(err, errTooLarge) || errors.As(err, &status) {
			return fmt.Errorf("download %s: %w", url, err)
		}
		f.log("%s: %v; resuming", url, err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("verify a download: %w", err)
	}
	hash := sha512.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fmt.Errorf("verify a download: %w", err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("download %s: the SHA-512 is %s, want %s", url, got, sum)
	}
	return nil
}

// continueAt downloads the rest of a file.
func (f *fetcher) continueAt(ctx context.Context, url string, file *os.File, limit int64) error {
	offset, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	response, err := f.get(ctx, url, offset)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if offset > 0 && response.StatusCode == http.StatusOK { // the server does not resume
		offset = 0
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := file.Truncate(0); err != nil {
			return err
		}
	}
	if response.ContentLength > limit-offset {
		return fmt.Errorf("%w than %d bytes", errTooLarge, limit)
	}
	// The last byte of a file can arrive at any time, so the watch ends only with the copy.
	meter := &meter{fetcher: f, url: url, done: offset, total: offset + response.ContentLength, logged: time.Now()}
	meter.timer = time.AfterFunc(f.window, func() { cancel(errSlow) })
	defer meter.timer.Stop()
	_, err = io.Copy(io.MultiWriter(file, meter), io.LimitReader(response.Body, limit-offset+1))
	if errors.Is(context.Cause(ctx), errSlow) {
		return errSlow
	}
	if err == nil && meter.done > limit {
		return fmt.Errorf("%w than %d bytes", errTooLarge, limit)
	}
	return err
}

// meter counts the bytes of a download. It begins another window when the minimum has arrived.
type meter struct {
	*fetcher
	url         string
	done, total int64
	// timer cancels the download at the end of the current window, in which in bytes have arrived.
	timer  *time.Timer
	in     int64
	logged time.Time
}

// Write counts bytes.
func (m *meter) Write(p []byte) (int, error) {
	m.done += int64(len(p))
	m.in += int64(len(p))
	if m.in >= m.minimum {
		m.timer.Reset(m.window)
		m.in = 0
	}
	if time.Since(m.logged) >= m.progress && m.total > 0 {
		m.logged = time.Now()
		m.log("%s: %d of %d MB", m.url, m.done>>20, m.total>>20)
	}
	return len(p), nil
}
