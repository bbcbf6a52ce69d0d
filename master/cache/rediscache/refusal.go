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

// cause is the reason why an entry in Redis or a message of another master is refused, and the label of a metric.
type cause string

const (
	// causeKey means that the entry is signed with a key that this master does not accept.
	causeKey cause = "unknown_key"
	// causeMAC means that a MAC is wrong.
	causeMAC cause = "mac"
	// causeTime means that the entry is too old, or from the future, or that the message is much delayed.
	causeTime cause = "time"
	// causeOlder means that this process has seen a newer entry that has not expired.
	causeOlder cause = "older"
	// causeReplayed means that the message was received before.
	causeReplayed cause = "replayed"
	// causeFormat means that the entry cannot be parsed.
	causeFormat cause = "format"
	// causeSize means that the entry is too large.
	causeSize cause = "size"
)

// refusal is the error for an entry or message that is not accepted. It wraps cache.ErrMiss.
type refusal struct {
	cause cause
	err   error
}

func refused(c cause, format string, args ...any) error {
	return &refusal{cause: c, err: fmt.Errorf(format, args...)}
}

// Error implements error.
func (r *refusal) Error() string { return "refused: " + r.err.Error() }

// Unwrap returns cache.ErrMiss and the reason.
func (r *refusal) Unwrap() []error { return []error{cache.ErrMiss, r.err} }

// logInterval is the minimum time between two log lines for one cause or one code of errors.
const logInterval = time.Minute

// errorRecorder counts and logs errors that concern the entry of one cluster, or one message.
type errorRecorder struct {
	log                               *slog.Logger
	refusals, refusedMessages, errors *prometheus.CounterVec

	mu   sync.Mutex
	logs map[string]*rate.Sometimes
}

func newErrorRecorder(log *slog.Logger) *errorRecorder {
	e := &errorRecorder{
		log: log, logs: map[string]*rate.Sometimes{},
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_redis_refused_total", Help: "Entries in Redis that were refused, by cause: unknown_key, mac, time, older, format, size."}, []string{"cause"}),
		refusedMessages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_redis_refused_messages_total",
			Help: "Messages of other masters that were refused, by cause: unknown_key, mac, time, replayed, format, size.",
		}, []string{"cause"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_redis_reply_errors_total", Help: "Error replies of Redis to commands for one cluster, by code: WRONGTYPE, NOSCRIPT, OOM and others."}, []string{"code"}),
	}
	for _, c := range []cause{causeKey, causeMAC, causeTime, causeOlder, causeFormat, causeSize} {
		e.refusals.WithLabelValues(string(c))
	}
	for _, c := range []cause{causeKey, causeMAC, causeTime, causeReplayed, causeFormat, causeSize} {
		e.refusedMessages.WithLabelValues(string(c))
	}
	return e
}

// record counts and logs an error of a cluster if it is a refusal or an error reply of Redis.
func (e *errorRecorder) record(cluster string, err error) {
	var r *refusal
	if errors.As(err, &r) {
		e.refusals.WithLabelValues(string(r.cause)).Inc()
		e.logSometimes("refused "+string(r.cause), func() {
			e.log.Warn("refused an entry in redis; it counts as missing, and the next save of the cluster replaces it", "cluster", cluster, "cause", string(r.cause), "error", err)
		})
		return
	}
	if code, reply := e.countReply(err); reply != nil {
		e.logSometimes("reply "+code, func() {
			e.log.Warn("redis replied an error to a command for one cluster; other clusters are not affected", "cluster", cluster, "error", reply)
		})
	}
}

// recordReply counts and logs an error reply of Redis to a command for messages between masters.
func (e *errorRecorder) recordReply(err error) {
	if code, reply := e.countReply(err); reply != nil {
		e.logSometimes("message reply "+code, func() {
			e.log.Warn("redis replied an error to PUBLISH or SUBSCRIBE; this master sends or receives no messages of other masters", "error", reply)
		})
	}
}

// recordMessage counts and logs that a message was refused.
func (e *errorRecorder) recordMessage(err error) {
	var r *refusal
	if !errors.As(err, &r) {
		return
	}
	e.refusedMessages.WithLabelValues(string(r.cause)).Inc()
	e.logSometimes("message "+string(r.cause), func() {
		e.log.Warn("refused a message of another master in redis", "cause", string(r.cause), "error", err)
	})
}

// countReply counts err if it is an error reply of Redis, and returns its code and the reply.
func (e *errorRecorder) countReply(err error) (code string, reply error) {
	reply = asReplyError(err)
	if reply == nil {
		return "", nil
	}
	code = replyCode(reply)
	e.errors.WithLabelValues(code).Inc()
	return code, reply
}

// logSometimes calls log unless it was called for the same key in the last logInterval.
func (e *errorRecorder) logSometimes(key string, log func()) {
	e.mu.Lock()
	s := e.logs[key]
	if s == nil {
		s = &rate.Sometimes{First: 1, Interval: logInterval}
		e.logs[key] = s
	}
	e.mu.Unlock()
	s.Do(log)
}

// asReplyError returns the error reply of Redis in err. It returns nil if there is none, or if the
// reply says that the server cannot be used at all.
func asReplyError(err error) error {
	var reply redis.Error
	if !errors.As(err, &reply) || redis.IsAuthError(reply) || redis.IsLoadingError(reply) || redis.IsMasterDownError(reply) || redis.IsMaxClientsError(reply) {
		return nil
	}
	return reply
}

// labeledCodes are the codes of errors that have their own label value.
var labeledCodes = []string{"WRONGTYPE", "NOSCRIPT", "OOM", "MISCONF", "READONLY", "NOPERM", "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "BUSY", "NOREPLICAS"}

// replyCode returns the code of an error reply, "other" if it is not one of labeledCodes.
func replyCode(reply error) string {
	words := " " + reply.Error() + " "
	for _, code := range labeledCodes {
		// In an error of a script the code is somewhere after "ERR Error running script …".
		if strings.Contains(words, " "+code+" ") || strings.Contains(words, "-"+code+" ") {
			return code
		}
	}
	return "other"
}
