package rediscache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"
	"rollcall.dev/rollcall/api/backoff"
)

const (
	// idleTimeout is how long Receive waits for a message before it checks the connection by a ping. Without a reply for
	// as long again, it connects again.
	idleTimeout = 3 * time.Second
	// messageChannel and saveChannel are the names of the channels of messages between masters and of announced saves,
	// followed by the number of the database: databases share all channels of a server.
	messageChannel, saveChannel = "rollcall:messages:", "rollcall:saves:"
)

// reconnectBackoff is the delay between attempts to subscribe.
var reconnectBackoff = backoff.Backoff{Min: 100 * time.Millisecond, Max: 2 * time.Second, Jitter: 0.5}

// channelName returns the name of a channel for a client.
func channelName(client redis.UniversalClient, prefix string) string {
	db := 0
	if single, ok := client.(*redis.Client); ok {
		db = single.Options().DB
	}
	return fmt.Sprintf("%s%d", prefix, db)
}

// nextMessage returns a signed message with the next counter of this master.
func (r *Cache) nextMessage(kind byte, payload []byte) ([]byte, error) {
	if len(payload) > maxPayload {
		return nil, fmt.Errorf("the payload has %d bytes, more than %d", len(payload), maxPayload)
	}
	m := message{counter: r.sent.Add(1), sent: time.Since(r.started), kind: kind, sender: r.holder, payload: payload}
	return r.keys.signing.encodeMessage(m), nil
}

// Send sends a message to the other masters that share this Redis. The payload has at most 64 KiB. A master that is not
// connected at the moment does not receive it. While Redis is unavailable, the error wraps cache.ErrUnavailable.
func (r *Cache) Send(ctx context.Context, kind byte, payload []byte) error {
	m, err := r.nextMessage(kind, payload)
	if err == nil {
		err = r.breaker.call(ctx, func() error { return r.client.Publish(ctx, r.channel, m).Err() })
		r.recorder.recordReply(err)
	}
	if err != nil {
		return fmt.Errorf("send a message to other masters by redis: %w", err)
	}
	return nil
}

// Receive calls handle for each message of other masters until ctx ends, in the order of their arrival, and then
// returns nil. It calls connected after each connection: messages before that may have been lost. Messages that are
// forged, altered, repeated, much delayed or too large are dropped and counted. handle must not block, and must not
// keep the payload.
func (r *Cache) Receive(ctx context.Context, handle func(sender string, kind byte, payload []byte), connected func()) error {
	var guard replayGuard
	accept := func(b []byte) {
		if m, ok := r.accept(&guard, b); ok {
			handle(m.sender, m.kind, m.payload)
		}
	}
	return r.listen(ctx, r.channel, accept, connected)
}

// listen calls accept for each message on a channel, and connected after each connection, until ctx ends, and then
// returns nil.
func (r *Cache) listen(ctx context.Context, channel string, accept func([]byte), connected func()) error {
	failures := 0
	for ctx.Err() == nil {
		err := r.subscribe(ctx, channel, accept, func() { failures = 0; connected() })
		if errors.Is(err, redis.ErrClosed) && ctx.Err() == nil {
			return fmt.Errorf("receive messages of other masters by redis: %w", err)
		}
		failures++
		r.recorder.recordReply(err)
		backoff.Sleep(ctx, reconnectBackoff.Delay(failures, rand.Float64())) //nolint:gosec // spreads attempts
	}
	return nil
}

// subscribe receives messages on one connection until it fails or ctx ends.
func (r *Cache) subscribe(ctx context.Context, channel string, accept func([]byte), connected func()) error {
	subscription := r.client.Subscribe(ctx)
	defer subscription.Close()
	// The library does not end a read when the context ends.
	defer context.AfterFunc(ctx, func() { _ = subscription.Close() })()
	if err := subscription.Subscribe(ctx, channel); err != nil {
		return err
	}
	for pinged := false; ; {
		received, err := subscription.ReceiveTimeout(ctx, idleTimeout)
		switch {
		case err != nil && isTimeout(err) && !pinged:
			if err := subscription.Ping(ctx); err != nil {
				return err
			}
			pinged = true
			continue
		case err != nil:
			return err
		}
		pinged = false
		switch m := received.(type) {
		case *redis.Subscription:
			connected()
		case *redis.Message:
			accept([]byte(m.Payload))
		}
	}
}

// accept verifies a message. It returns false if the message is refused or this master's own.
func (r *Cache) accept(guard *replayGuard, b []byte) (message, bool) {
	m, err := r.keys.decodeMessage(b)
	if err == nil && m.sender == r.holder {
		return m, false
	}
	if err == nil {
		err = guard.check(m, time.Since(r.started))
	}
	if err != nil {
		r.recorder.recordMessage(err)
		return m, false
	}
	return m, true
}
