package rediscache

import (
	"context"
	"crypto/ed25519"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
)

// maxBytes limits the bytes of one cluster that are read from Redis: a cluster takes some 20
// to 40 bytes a container. maxEntries limits the entries of its log.
const (
	maxBytes   = 32 << 20
	maxEntries = 1 << 14
)

// termLife is for how long Redis remembers a term that nobody asks for. Terms grow
// all the same after that: see cache.Terms.
const termLife = 7 * 24 * time.Hour

var (
	//go:embed save.lua
	saveSource string
	//go:embed load.lua
	loadSource string
	//go:embed term.lua
	termSource string
)

// Config is what a Cache needs.
type Config struct {
	// URL of Redis: redis://…, rediss://…; for Sentinel with ?master_name=, for a
	// Redis Cluster with ?cluster=true, further addresses with &addr=host:port.
	URL string
	// SigningKey is the master's: what is written carries MACs of a key that is derived
	// from it. nil: of a key that everybody knows, which stops no forgery.
	SigningKey ed25519.PrivateKey
	// OtherKeys are further signing keys of masters, whose entries are read as well, for
	// the time in which they change from one key to another.
	OtherKeys []ed25519.PrivateKey
	// Log takes one line when Redis goes away and one when it is back, and now and then
	// one on what is wrong with an entry.
	Log *slog.Logger
	// Metrics takes the Cache's metrics; nil: none.
	Metrics prometheus.Registerer
	// Budget is what a cluster's State may take in memory when it is read; nil: anything.
	Budget func(cluster string) wire.Budget
}

// Cache is the Store in Redis. It starts no goroutine of its own.
type Cache struct {
	client           redis.UniversalClient
	codec            *wire.Codec
	keys             keyring
	budget           func(cluster string) wire.Budget // nil: there is none
	outage           *outage
	problems         *problems
	seen             seenVersions
	terms            cache.TermCounter
	save, load, term *redis.Script
	written          prometheus.Counter

	mu      sync.Mutex
	writers map[string]*writer
}

var _ cache.Store = (*Cache)(nil)

// New is the Cache at a URL. It does not connect, and so does not fail where Redis
// is away: see Probe. No error shows a password or a key.
func New(c Config) (*Cache, error) {
	keys, err := newKeyring(c.SigningKey, c.OtherKeys)
	if err != nil {
		return nil, err
	}
	client, address, err := connect(c.URL)
	if err != nil {
		return nil, err
	}
	// The library would log every failed connection; the outage's line says it once.
	redis.SetLogger(&logging.VoidLogger{})
	r := &Cache{
		client: client, codec: wire.NewCodec(), keys: keys, budget: c.Budget, problems: newProblems(c.Log), writers: map[string]*writer{},
		save: redis.NewScript(saveSource), load: redis.NewScript(loadSource), term: redis.NewScript(termSource),
		outage:  &outage{log: c.Log, address: address, up: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rollcall_redis_up", Help: "Whether Redis could be used the last time (1) or not (0)."})},
		written: prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_redis_written_bytes_total", Help: "Bytes of clusters' states written to Redis."}),
	}
	if c.Metrics != nil {
		for _, m := range []prometheus.Collector{r.outage.up, r.written, r.problems.refusals, r.problems.errors} {
			if err := c.Metrics.Register(m); err != nil {
				return nil, errors.Join(fmt.Errorf("register metrics of redis: %w", err), client.Close())
			}
		}
	}
	return r, nil
}

// Close lets go of the connections.
func (r *Cache) Close() error {
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("close redis: %w", err)
	}
	return nil
}

// Probe says whether Redis is there, and logs it if it is not.
func (r *Cache) Probe(ctx context.Context) error {
	return r.outage.guard(ctx, func() error { return r.client.Ping(ctx).Err() })
}

// keys of a cluster; the braces put them all into one slot.
func keys(cluster string) []string {
	return []string{key(cluster, "head"), key(cluster, "base"), key(cluster, "log")}
}

func key(cluster, what string) string { return "rollcall:{" + cluster + "}:" + what }

// do does f, if Redis is there, and notes what it replies against a cluster.
func (r *Cache) do(ctx context.Context, cluster string, f func() error) error {
	err := r.outage.guard(ctx, f)
	if err != nil && !errors.Is(err, cache.ErrUnavailable) {
		r.problems.note(cluster, err)
	}
	return err
}

// runScript runs a script of which the reply is a list with at least one element.
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

// Load implements cache.Store. An entry that is refused is a cache.ErrMiss that says why.
func (r *Cache) Load(ctx context.Context, cluster string, ttl time.Duration) (cache.Entry, error) {
	reader := r.reader(cluster)
	e, err := reader.catchUp(ctx, ttl)
	if err == nil {
		r.writer(cluster).goOnFrom(e, reader)
		return e, nil
	}
	return cache.Entry{}, fmt.Errorf("load %s from redis: %w", cluster, err)
}

// Save implements cache.Store.
func (r *Cache) Save(ctx context.Context, cluster string, e cache.Entry) error {
	if err := r.writer(cluster).save(ctx, e); err != nil {
		return fmt.Errorf("save %s to redis: %w", cluster, err)
	}
	return nil
}

// Drop implements cache.Store.
func (r *Cache) Delete(ctx context.Context, cluster string) error {
	r.forget(cluster, nil)
	err := r.do(ctx, cluster, func() error { return r.client.Unlink(ctx, keys(cluster)...).Err() })
	if err != nil {
		return fmt.Errorf("drop %s from redis: %w", cluster, err)
	}
	return nil
}

// NextTerm implements cache.Store. While Redis is away the terms of this process go
// on, and Redis takes them over when it is back.
func (r *Cache) NextTerm(ctx context.Context, cluster string) (uint64, error) {
	var reply *redis.Cmd
	err := r.do(ctx, cluster, func() error {
		most := time.Now().Add(termLead).UnixMilli()
		reply = r.term.Run(ctx, r.client, []string{key(cluster, "term")}, r.terms.Min(cluster), termLife.Milliseconds(), most)
		return reply.Err()
	})
	if errors.Is(err, cache.ErrUnavailable) {
		return r.terms.Next(cluster), nil
	}
	if err != nil {
		return 0, fmt.Errorf("next term of %s from redis: %w", cluster, err)
	}
	term, err := reply.Uint64()
	if err != nil {
		return 0, fmt.Errorf("next term of %s from redis: %w", cluster, err)
	}
	r.terms.Observe(cluster, term)
	return term, nil
}
