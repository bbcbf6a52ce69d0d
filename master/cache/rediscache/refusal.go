package rediscache

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
	"rollcall.dev/rollcall/master/cache"
)

// cause says why an entry in Redis is refused; a label of a metric.
type cause string

const (
	// causeKey: it was signed with a key that this master does not have.
	causeKey cause = "unknown_key"
	// causeMAC: a MAC does not fit.
	causeMAC cause = "mac"
	// causeTime: it is older than it may be, or from a time ahead.
	causeTime cause = "time"
	// causeOlder: this process has seen a newer one, which may still be served.
	causeOlder cause = "older"
	// causeFormat: it cannot be read.
	causeFormat cause = "format"
	// causeSize: it is too large to be read.
	causeSize cause = "size"
)

// refusal is the error of an entry in Redis that is not taken. It is a cache.ErrMiss.
type refusal struct {
	cause cause
	err   error
}

func refused(c cause, format string, args ...any) error {
	return &refusal{cause: c, err: fmt.Errorf(format, args...)}
}

// Error implements error.
func (r *refusal) Error() string { return "refused: " + r.err.Error() }

// Unwrap lets errors.Is find cache.ErrMiss and what was wrong.
func (r *refusal) Unwrap() []error { return []error{cache.ErrMiss, r.err} }

// logEvery is how often one cause, or one code of replies, is logged at most.
const logEvery = time.Minute

// problems counts what is wrong with single clusters' entries, and logs it, each cause
// once a minute.
type problems struct {
	log              *slog.Logger
	refusals, errors *prometheus.CounterVec

	mu   sync.Mutex
	logs map[string]*rate.Sometimes
}

func newProblems(log *slog.Logger) *problems {
	p := &problems{
		log: log, logs: map[string]*rate.Sometimes{},
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_redis_refused_total", Help: "Entries of clusters in Redis that were refused, by cause: unknown_key, mac, time, older, format, size."}, []string{"cause"}),
		errors:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_redis_reply_errors_total", Help: "Errors that Redis replied for single clusters, by code: WRONGTYPE, NOSCRIPT, OOM and others."}, []string{"code"}),
	}
	for _, c := range []cause{causeKey, causeMAC, causeTime, causeOlder, causeFormat, causeSize} {
		p.refusals.WithLabelValues(string(c))
	}
	return p
}

// note counts and logs an error of one cluster; of errors that are neither refusals nor
// replies it does nothing.
func (p *problems) note(cluster string, err error) {
	var r *refusal
	if errors.As(err, &r) {
		p.refusals.WithLabelValues(string(r.cause)).Inc()
		p.sometimes("refused "+string(r.cause), func() {
			p.log.Warn("an entry in redis is refused, as if it were not there; a master that has the cluster's report writes it anew", "cluster", cluster, "cause", string(r.cause), "error", err)
		})
		return
	}
	if reply := replyOf(err); reply != nil {
		code := codeOf(reply)
		p.errors.WithLabelValues(code).Inc()
		p.sometimes("reply "+code, func() {
			p.log.Warn("redis refuses a command for a cluster; the others go on", "cluster", cluster, "error", reply)
		})
	}
}

func (p *problems) sometimes(what string, f func()) {
	p.mu.Lock()
	s := p.logs[what]
	if s == nil {
		s = &rate.Sometimes{First: 1, Interval: logEvery}
		p.logs[what] = s
	}
	p.mu.Unlock()
	s.Do(f)
}

// replyOf returns the error that Redis replied to a command, nil where err is none, or
// says that the server cannot be used at all.
func replyOf(err error) error {
	var reply redis.Error
	if !errors.As(err, &reply) || redis.IsAuthError(reply) || redis.IsLoadingError(reply) || redis.IsMasterDownError(reply) || redis.IsMaxClientsError(reply) {
		return nil
	}
	return reply
}

// codes are the errors of Redis that have a label of their own.
var codes = []string{"WRONGTYPE", "NOSCRIPT", "OOM", "MISCONF", "READONLY", "NOPERM", "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "BUSY", "NOREPLICAS"}

func codeOf(reply error) string {
	words := " " + reply.Error() + " "
	for _, code := range codes {
		// Behind "ERR Error running script …" the code is somewhere within.
		if strings.Contains(words, " "+code+" ") || strings.Contains(words, "-"+code+" ") {
			return code
		}
	}
	return "other"
}
