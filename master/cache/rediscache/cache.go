package rediscache

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"golang.org/x/time/rate"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// maxBytes limits the bytes that are read from Redis for one cluster, which takes about 20 to 40
// bytes per container. maxEntries limits the entries of its log.
const (
	maxBytes   = 32 << 20
	maxEntries = 1 << 14
)

// maxSaveRate is how many entries a master saves a second. Each is one script of some tens of microseconds in Redis.
const maxSaveRate = 2000

var (
	//go:embed save.lua
	saveSource string
	//go:embed load.lua
	loadSource string
	//go:embed term.lua
	termSource string
)

// Config configures a Cache.
type Config struct {
	// URL is the URL of Redis, redis://… or rediss://…. The parameter master_name selects
	// Sentinel, cluster=true a Redis Cluster, and addr=host:port adds addresses; see newClient.
	URL string
	// SigningKey is the signing key of the master, from which the key of the MACs is derived. If it
	// is nil, a well-known key is used, which does not prevent forgery.
	SigningKey ed25519.PrivateKey
	// OtherKeys are signing keys of other masters, whose entries are also accepted during a
	// rotation of keys.
	OtherKeys []ed25519.PrivateKey
	// Holder identifies this process to the other masters, at most 64 bytes. If it is empty, a random one is used.
	Holder string
	// Log receives one line when Redis becomes unavailable, one when it is available again, and
	// at most one per minute for each cause of refused entries and code of errors.
	Log *slog.Logger
	// Metrics registers the metrics of the Cache, unless it is nil.
	Metrics prometheus.Registerer
	// Budget returns the memory limit for decoding a cluster's State. If it is nil there is none.
	Budget func(cluster string) wire.Budget
}

// Cache is a cache.Store in Redis. It starts no goroutines.
type Cache struct {
	client           redis.UniversalClient
	codec            *wire.Codec
	keys             keyring
	budget           func(cluster string) wire.Budget // may be nil
	breaker          *circuitBreaker
	recorder         *errorRecorder
	rollback         rollbackGuard
	save, load, term *redis.Script
	written          prometheus.Counter
	rate             *rate.Limiter // of saves

	holder         string
	channel, saves string // names of channels
	started        time.Time
	sent           atomic.Uint64 // the counter of the last message

	mu      sync.Mutex
	writers map[string]*writer
}

var _ cache.Feed = (*Cache)(nil)

// New returns a Cache. It does not connect to Redis, and so does not fail while Redis is
// unavailable; see Probe. Its errors contain no password and no key.
func New(c Config) (*Cache, error) {
	keys, err := newKeyring(c.SigningKey, c.OtherKeys)
	if err != nil {
		return nil, err
	}
	if len(c.Holder) > maxSenderLen {
		return nil, fmt.Errorf("the holder has %d bytes, more than %d", len(c.Holder), maxSenderLen)
	}
	client, address, err := newClient(c.URL)
	if err != nil {
		return nil, err
	}
	// The library would log every failed connection. The circuit breaker logs once.
	redis.SetLogger(&logging.VoidLogger{})
	r := &Cache{
		client: client, codec: wire.NewCodec(), keys: keys, budget: c.Budget, recorder: newErrorRecorder(c.Log), writers: map[string]*writer{}, rate: rate.NewLimiter(maxSaveRate, maxSaveRate),
		save: redis.NewScript(saveSource), load: redis.NewScript(loadSource), term: redis.NewScript(termSource),
		breaker: &circuitBreaker{log: c.Log, address: address, up: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rollcall_redis_up", Help: "Whether Redis is available (1) or not (0), as of the last call."})},
		holder:  cmp.Or(c.Holder, rand.Text()), channel: channelName(client, messageChannel), saves: channelName(client, saveChannel), started: time.Now(),
		written: prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_redis_written_bytes_total", Help: "Bytes of records written to Redis."}),
	}
	if c.Metrics != nil {
		for _, m := range []prometheus.Collector{r.breaker.up, r.written, r.recorder.refusals, r.recorder.refusedMessages, r.recorder.errors} {
			if err := c.Metrics.Register(m); err != nil {
				return nil, errors.Join(fmt.Errorf("register metrics of redis: %w", err), client.Close())
			}
		}
	}
	return r, nil
}

// Close closes the connections to Redis.
func (r *Cache) Close() error {
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("close redis: %w", err)
	}
	return nil
}

// Probe returns an error if Redis is unavailable, and logs it.
func (r *Cache) Probe(ctx context.Context) error {
	return r.breaker.call(ctx, func() error { return r.client.Ping(ctx).Err() })
}

// redisKeys returns the keys of head, base and log of a cluster. The braces put all keys of a
// cluster into the same slot of a Redis Cluster.
func redisKeys(cluster string) []string {
	return []string{redisKey(cluster, "head"), redisKey(cluster, "base"), redisKey(cluster, "log")}
}

func redisKey(cluster, part string) string { return "rollcall:{" + cluster + "}:" + part }

// do calls f by the circuit breaker, and records an error that concerns only this cluster.
func (r *Cache) do(ctx context.Context, cluster string, f func() error) error {
	err := r.breaker.call(ctx, f)
	if err != nil && !errors.Is(err, cache.ErrUnavailable) {
		r.recorder.record(cluster, err)
	}
	return err
}

// runScript runs a script and returns its reply, a list with at least one element.
func (r *Cache) runScript(ctx context.Context, cluster string, s *redis.Script, keys []string, args ...any) ([]any, error) {
	var reply *redis.Cmd
	err := r.do(ctx, cluster, func() error {
		reply = s.Run(ctx, r.client, keys, args...)
		return reply.Err()
	})
	if err != nil {
		return nil, err
	}
	list, err := reply.Slice()
	if err == nil && len(list) == 0 {
		err = errors.New("the reply is empty")
	}
	return list, err
}

// Load implements cache.Store. If it refuses an entry, it returns a cache.ErrMiss with the reason.
func (r *Cache) Load(ctx context.Context, cluster string, ttl time.Duration) (*report.Report, error) {
	l, err := r.read(ctx, cluster, ttl)
	if err != nil {
		return nil, fmt.Errorf("load %s from redis: %w", cluster, err)
	}
	r.writer(cluster).resumeFrom(l)
	return l.report, nil
}

// Save implements cache.Store. It waits while there are more saves than maxSaveRate.
func (r *Cache) Save(ctx context.Context, next *report.Report) error {
	if err := r.rate.Wait(ctx); err != nil {
		return fmt.Errorf("save %s to redis: more than %d saves a second: %w", next.Cluster, maxSaveRate, err)
	}
	if err := r.writer(next.Cluster).save(ctx, next); err != nil {
		return fmt.Errorf("save %s to redis: %w", next.Cluster, err)
	}
	return nil
}

// Delete implements cache.Store.
func (r *Cache) Delete(ctx context.Context, cluster string) error {
	r.dropWriter(cluster, nil)
	err := r.do(ctx, cluster, func() error { return r.client.Unlink(ctx, redisKeys(cluster)...).Err() })
	if err != nil {
		return fmt.Errorf("delete %s from redis: %w", cluster, err)
	}
	return nil
}
