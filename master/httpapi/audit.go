package httpapi

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/master/audit"
	"rollcall.dev/rollcall/master/session"
)

// unaudited are the routes without data about clusters or users, which are requested all the time.
var unaudited = []string{"/healthz", "/readyz", "/api", "/api/openapi.json"}

// reasonAborted is the Reason of an event whose response was cut off.
const reasonAborted = "Aborted"

// auditRecord collects what the audit log says about one request. The methods of a nil record do nothing.
// They may be called by any goroutine.
type auditRecord struct {
	write func(audit.Event)
	start time.Time
	// known has the names of the route's parameters.
	known []string
	// watch is set if the request became a stream, which writes its own events.
	watch bool

	mu sync.Mutex
	// Guarded by mu:
	event audit.Event
}

// auditKey is the key of the auditRecord in a context.
type auditKey struct{}

// audit returns a record of a request, and the request with the record in its context; nil and the same
// request if it is not audited.
func (a *API) audit(r *http.Request, route string, start time.Time) (*http.Request, *auditRecord) {
	if a.config.Audit == nil || slices.Contains(unaudited, route) || route == otherRoute && a.config.Page != nil && wantsPage(r) {
		return r, nil
	}
	record := &auditRecord{write: a.config.Audit, start: start, known: a.parameterNames[route], event: audit.Event{
		AuditID: rand.Text(), Method: r.Method, Path: r.URL.Path, UserAgent: r.UserAgent(), SourceIP: sourceIP(r, a.config.Limits.TrustedProxies),
	}}
	if r.URL.RawQuery != "" && len(r.URL.RawQuery) <= maxForm {
		// Of an invalid query, the valid parameters are recorded.
		values, _ := url.ParseQuery(r.URL.RawQuery)
		record.setParameters(values)
	}
	ctx := context.WithValue(r.Context(), auditKey{}, record)
	return r.WithContext(session.WithDemandObserver(ctx, record.startedSession)), record
}

// sourceIP returns the address of the client of a request, or "" if the connection has no IP address.
func sourceIP(r *http.Request, trusted []netip.Prefix) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return connlimit.ClientAddr(remote.Addr(), r.Header["X-Forwarded-For"], trusted).String()
}

// auditOf returns the record of a request, or nil.
func auditOf(ctx context.Context) *auditRecord {
	record, _ := ctx.Value(auditKey{}).(*auditRecord)
	return record
}

// AuditUser records the authenticated user of a request for the audit log.
func AuditUser(ctx context.Context, user string) {
	auditOf(ctx).set(func(e *audit.Event) { e.User = user })
}

func (rec *auditRecord) set(change func(e *audit.Event)) {
	if rec == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	change(&rec.event)
}

// setParameters records the values of parameters that the route has.
func (rec *auditRecord) setParameters(values url.Values) {
	rec.set(func(e *audit.Event) {
		e.Parameters = map[string][]string{}
		for _, name := range rec.known {
			if values.Has(name) {
				e.Parameters[name] = values[name]
			}
		}
	})
}

// addClusters records clusters that the caller named and may read.
func (rec *auditRecord) addClusters(clusters ...string) {
	rec.set(func(e *audit.Event) {
		for _, cluster := range clusters {
			if len(e.Clusters) <= audit.MaxClusters && slices.Contains(e.Clusters, cluster) {
				continue
			}
			e.Clusters = append(e.Clusters, cluster)
		}
	})
}

// startedSession records a cluster whose session this request starts.
func (rec *auditRecord) startedSession(cluster string) {
	rec.set(func(e *audit.Event) { e.StartedSessions = append(e.StartedSessions, cluster) })
}

// setError records the error of a request. If the handler has written the error itself, err is nil.
func (rec *auditRecord) setError(err error) {
	if rec == nil || err == nil {
		return
	}
	reason := problemOf(err).Reason
	rec.set(func(e *audit.Event) { e.Reason = reason })
}

func (rec *auditRecord) setReason(reason string) {
	rec.set(func(e *audit.Event) { e.Reason = reason })
}

// stage writes an event. Sessions that the request has started are named in its next event only.
func (rec *auditRecord) stage(stage audit.Stage, code int) {
	rec.set(func(e *audit.Event) {
		e.Time, e.Stage, e.Code = time.Now(), stage, code
		e.Duration = e.Time.Sub(rec.start).Seconds()
		event := *e
		event.Clusters = slices.Clone(e.Clusters)
		rec.write(event)
		e.StartedSessions = nil
	})
}

// message writes an event about a client's message, which replaces what the stream watches.
func (rec *auditRecord) message(m message, err error) {
	rec.set(func(e *audit.Event) {
		event := *e
		event.Time, event.Stage, event.Code, event.Parameters, event.Clusters = time.Now(), audit.StageMessage, 0, map[string][]string{}, slices.Clone(e.Clusters)
		event.StartedSessions = nil
		event.Duration = event.Time.Sub(rec.start).Seconds()
		if m.Demand != nil {
			event.Parameters["demand"] = *m.Demand
		}
		if m.Detail != nil {
			event.Parameters["detail"] = *m.Detail
		}
		if err != nil {
			event.Reason = problemOf(err).Reason
		}
		rec.write(event)
	})
}

// complete writes the only event of a request that is not a watch.
func (rec *auditRecord) complete(code int, err error) {
	if rec == nil || rec.watch {
		return
	}
	rec.setError(err)
	rec.stage(audit.StageResponseComplete, code)
}

// startWatch writes the first event of a watch.
func (rec *auditRecord) startWatch() {
	if rec == nil {
		return
	}
	rec.watch = true
	rec.stage(audit.StageResponseStarted, http.StatusOK)
}

// sessionsStarted writes an event if an open watch has started sessions since its last event.
func (rec *auditRecord) sessionsStarted() {
	if rec == nil {
		return
	}
	rec.mu.Lock()
	started := len(rec.event.StartedSessions) > 0
	rec.mu.Unlock()
	if started {
		rec.stage(audit.StageSessionsStarted, 0)
	}
}

// endWatch writes the last event of a watch. code is 0 if no ERROR event was sent.
func (rec *auditRecord) endWatch(reason string, code int) {
	rec.setReason(reason)
	rec.stage(audit.StageResponseComplete, cmp.Or(code, http.StatusOK))
}

// aborted writes the event of a request whose handler panics, which cuts its response off. It is deferred.
func (rec *auditRecord) aborted() {
	if rec == nil {
		return
	}
	if p := recover(); p != nil {
		if e, ok := p.(error); !ok || !errors.Is(e, http.ErrAbortHandler) {
			panic(p)
		}
		rec.setReason(reasonAborted)
		rec.stage(audit.StageResponseComplete, statusClientClosedRequest)
		panic(p)
	}
}

// parameterNames returns the names of the parameters of each route.
func parameterNames(all []operation) map[string][]string {
	byRoute := map[string][]string{heapsterPattern: {"start", "end"}}
	for _, o := range all {
		names := append(names(o.getParameters), names(o.watchParameters)...)
		for _, p := range o.filters {
			names = append(names, p.Name)
		}
		for _, p := range o.Parameters {
			names = append(names, p.Name)
		}
		slices.Sort(names)
		byRoute[o.Path] = slices.Compact(names)
	}
	return byRoute
}
