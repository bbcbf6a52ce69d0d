package rediscache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"rollcall.dev/rollcall/master/cache"
)

// probeInterval is the time between two attempts to use Redis while it is unavailable. Other
// calls fail at once, so that no caller waits for a timeout.
const probeInterval = time.Second

// circuitBreaker tracks whether Redis is available. It logs one line when Redis becomes
// unavailable and one when it is available again.
type circuitBreaker struct {
	log     *slog.Logger
	address string
	up      prometheus.Gauge

	mu        sync.Mutex
	downSince time.Time // zero while Redis is available
	nextProbe time.Time
	lastReply time.Time
}

// call calls f if Redis is available or the next probe is due; otherwise it returns
// cache.ErrUnavailable. Errors that Redis replies, timeouts while Redis replies to other calls,
// and the caller's cancellation are returned unchanged. Any other error marks Redis as
// unavailable and is wrapped in cache.ErrUnavailable.
func (b *circuitBreaker) call(ctx context.Context, f func() error) error {
	start := time.Now()
	if !b.allow(start) {
		return cache.ErrUnavailable
	}
	err := f()
	if err == nil || asReplyError(err) != nil {
		b.markUp(time.Now())
		return err
	}
	if errors.Is(context.Cause(ctx), context.Canceled) || isTimeout(err) && b.repliedSince(start) {
		return err
	}
	b.markDown(time.Now(), err)
	return fmt.Errorf("%w: %w", cache.ErrUnavailable, err)
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, redis.ErrPoolTimeout) || errors.As(err, &network) && network.Timeout()
}

// allow reports whether Redis may be used now. While Redis is unavailable it allows one call per
// probeInterval.
func (b *circuitBreaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.downSince.IsZero() {
		return true
	}
	if now.Before(b.nextProbe) {
		return false
	}
	b.nextProbe = now.Add(probeInterval)
	return true
}

// repliedSince reports whether Redis has replied to any call after t.
func (b *circuitBreaker) repliedSince(t time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lastReply.After(t)
}

func (b *circuitBreaker) markDown(now time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up.Set(0)
	b.nextProbe = now.Add(probeInterval)
	if b.downSince.IsZero() {
		b.downSince = now
		b.log.Warn("redis is unavailable; serving from memory until it is available again", "address", b.address, "error", err)
	}
}

func (b *circuitBreaker) markUp(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.up.Set(1)
	b.lastReply = now
	if !b.downSince.IsZero() {
		b.log.Info("redis is available again", "address", b.address, "downtime", now.Sub(b.downSince).Round(time.Millisecond))
		b.downSince = time.Time{}
	}
}
