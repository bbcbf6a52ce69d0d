package kube

import (
	"testing"
	"time"
)

// Eventually calls f every 100 ms until it returns nil. After the timeout it fails the test with f's last error.
func Eventually(t testing.TB, within time.Duration, f func() error) {
	t.Helper()
	deadline := time.After(within)
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("no success within %s: %v", within, err)
		}
	}
}
