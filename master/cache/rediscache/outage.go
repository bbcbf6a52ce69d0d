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

// probeEvery is how often Redis is tried while it is away: everything else fails
// at once, so that nobody waits for what will not come.
const probeEvery = time.Second

// outage knows whether Redis is there. It logs one line when it goes and one when
// it is back.
type outage struct {
	log     *slog.Logger
	address string
	up      prometheus.Gauge

	mu       sync.Mutex
	since    time.Time // zero: Redis is there, as far as is known
	probe    time.Time // when it may be tried again
	answered time.Time // when Redis replied last
}

// guard does f, if Redis is there or it is time to try again. Errors that Redis replies
// are of what f asked for. So is a timeout, while Redis replies to others. Any other
// error that is not the caller's own is an outage.
func (o *outage) guard(ctx context.Context, f func() error) error {
	begun := time.Now()
	if !o.allow(begun) {
		return cache.ErrUnavailable
	}
	err := f()
	if err == nil || replyOf(err) != nil {
		o.back(time.Now())
		return err
	}
	if errors.Is(context.Cause(ctx), context.Canceled) || isTimeout(err) && o.answeredSince(begun) {
		return err
	}
	o.gone(time.Now(), err)
	return fmt.Errorf("%w: %w", cache.ErrUnavailable, err)
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, redis.ErrPoolTimeout) || errors.As(err, &network) && network.Timeout()
}

func (o *outage) allow(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return true
	}
	if now.Before(o.probe) {
		return false
	}
	o.probe = now.Add(probeEvery)
	return true
}

// answeredSince reports whether Redis replied to anything after an instant.
func (o *outage) answeredSince(t time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.answered.After(t)
}

func (o *outage) gone(now time.Time, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.up.Set(0)
	o.probe = now.Add(probeEvery)
	if o.since.IsZero() {
		o.since = now
		o.log.Warn("redis cannot be used; serving from memory until it can", "address", o.address, "error", err)
	}
}

func (o *outage) back(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.up.Set(1)
	o.answered = now
	if !o.since.IsZero() {
		o.log.Info("redis is back", "address", o.address, "away", now.Sub(o.since).Round(time.Millisecond))
		o.since = time.Time{}
	}
}
