package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/wire"
	masterreport "rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/test/fault"
)

// allKinds are all kinds of faults.
var allKinds = []fault.Kind{
	fault.Drop, fault.Duplicate, fault.Reorder, fault.Flip, fault.Truncate, fault.Delay, fault.Stall, fault.CutMaster, fault.CutAgent, fault.CutHalfway,
}

// readers runs concurrent readers until end is closed.
type readers struct {
	harness *harness
	end     chan struct{}
	all     sync.WaitGroup
}

// startReaders starts readers of all kinds: of the API of package session, of GET and of watches.
func (s *harness) startReaders(seed uint64) *readers {
	a := &readers{harness: s, end: make(chan struct{})}
	if len(s.masters) == 1 {
		a.all.Go(a.watch)
	}
	for i := range 3 {
		random := rand.New(rand.NewPCG(seed, 200+uint64(i)))
		a.all.Go(func() { a.stream(fmt.Sprintf("GET ?watch %d", i), random) })
	}
	a.all.Go(a.getHTTP)
	for i := range 4 {
		random := rand.New(rand.NewPCG(seed, 100+uint64(i)))
		a.all.Go(func() { a.get(fmt.Sprintf("GET %d", i), random) })
	}
	return a
}

// stop ends the readers and waits for them.
func (a *readers) stop() {
	close(a.end)
	a.all.Wait()
}

// watch reads the last report every 100 ms, from the running master.
func (a *readers) watch() {
	r := a.harness.history.Reader("watch")
	var at *master
	release := func() {}
	defer func() { release() }()
	for {
		select {
		case <-a.end:
			return
		case <-time.After(100 * time.Millisecond):
		}
		m := a.harness.current()
		if m != at {
			release()
			at, release = m, func() {}
			if m != nil {
				release, _ = m.Watch(context.Background(), name) // the registry has the cluster
			}
		}
		if m == nil {
			continue
		}
		if v, ok := m.LastReport(name); ok && v.HasState() {
			a.harness.recordValue(r, v)
		}
	}
}

// getHTTP reads the HTTP API, and records whether the response is stale.
func (a *readers) getHTTP() {
	r := a.harness.history.Reader("GET by HTTP")
	version := ""
	for a.wait(700 * time.Millisecond) {
		m := a.harness.current()
		if m == nil {
			continue
		}
		w := httptest.NewRecorder()
		m.api.ServeHTTP(w, httptest.NewRequestWithContext(m.ctx, http.MethodGet, "/api/v1/clusters/"+name+"?timeout=1s"+a.notOlderThan(version), nil))
		if w.Code != http.StatusOK || m.ctx.Err() != nil {
			continue // the master has stopped
		}
		var d struct {
			ResourceVersion string
			ReceivedAt      time.Time
			Stale           bool
			Nodes, Pods     json.RawMessage
		}
		if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
			a.harness.t.Errorf("decode: %v", err)
			return
		}
		version = d.ResourceVersion
		r.RecordDocument(name, d.ResourceVersion, string(d.Nodes)+string(d.Pods), d.ReceivedAt)
		r.RecordFreshness(name, d.Stale, time.Now())
	}
}

// wait waits for a while. It returns false if the readers are to end.
func (a *readers) wait(pause time.Duration) bool {
	select {
	case <-a.end:
		return false
	case <-time.After(pause):
		return true
	}
}

// stream watches the HTTP API. When the stream ends, it starts another one, either from the last
// version or with a new list.
func (a *readers) stream(reader string, random *rand.Rand) {
	w := &watcher{t: a.harness.t, stream: a.harness.history.Stream(reader, name, nil), objects: map[string]string{}}
	for a.wait(200 * time.Millisecond) {
		m := a.harness.current()
		if m == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(m.ctx, time.Second+time.Duration(random.Int64N(int64(20*time.Second))))
		detach := context.AfterFunc(m.ctx, cancel)
		go func() {
			select {
			case <-a.end:
				cancel()
			case <-ctx.Done():
			}
		}()
		target := "/api/v1/clusters/" + name + "/pods?watch=true&allowWatchBookmarks=true&timeout=1s"
		if w.version != "" && random.IntN(2) == 0 {
			target += "&resourceVersion=" + w.version
			w.stream.From(w.objects, w.version, time.Now())
		} else {
			if match := a.notOlderThan(w.last); match != "" {
				target += "&sendInitialEvents=true" + match
			}
			clear(w.objects)
			w.version = ""
			w.stream.List(time.Now())
		}
		m.api.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil))
		cancel()
		detach()
	}
}

// get reads at an interval, with some pauses of up to a minute.
func (a *readers) get(reader string, random *rand.Rand) {
	r := a.harness.history.Reader(reader)
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
	var last masterreport.Version
	pause, pace := upTo(10*time.Second), 50*time.Millisecond+upTo(4*time.Second)
	for {
		select {
		case <-a.end:
			return
		case <-time.After(pause):
		}
		pause = pace
		if random.IntN(20) == 0 {
			pause = upTo(time.Minute)
		}
		m := a.harness.current()
		if m == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond+upTo(3*time.Second))
		v, err := m.Await(ctx, name)
		if err == nil && len(a.harness.masters) > 1 {
			v, err = awaitVersion(ctx, m, v, last)
		}
		cancel()
		var unreachable *session.UnreachableError
		switch {
		case err == nil:
			if now := time.Now(); !v.Fresh(now) {
				a.harness.t.Errorf("%s: got a value that expired %s ago", reader, now.Sub(v.ExpiresAt))
			}
			last = v.Version()
			a.harness.recordValue(r, v)
			r.RecordFreshness(name, false, time.Now())
		case !errors.Is(err, session.ErrNoReport) && !errors.Is(err, session.ErrStopping) && !errors.As(err, &unreachable):
			a.harness.t.Errorf("%s: %v", reader, err)
		}
	}
}

// changeFor changes the cluster for a while, and calls rare in a tenth of the steps.
func (s *harness) changeFor(d time.Duration, rare func()) {
	end := time.NewTimer(d)
	defer end.Stop()
	changeUntil(s, end.C, rare)
}

// changeUntil is like changeFor, until end is closed or has a value.
func changeUntil[T any](s *harness, end <-chan T, rare func()) {
	for {
		select {
		case <-end:
			return
		case <-time.After(s.upTo(s.pause)):
		}
		synctest.Wait()
		switch s.random.IntN(10) {
		case 0:
			s.readUsage()
		case 1:
			s.toggleSection()
		case 2:
			rare()
		default:
			s.change()
		}
	}
}

// disrupt restarts a process or cuts all connections in half of its calls.
func (s *harness) disrupt() {
	switch s.random.IntN(8) {
	case 0:
		s.killAgent()
		s.changeFor(s.upTo(4*time.Second), func() {})
		s.startAgent()
	case 1:
		s.killMaster(0)
		s.changeFor(s.upTo(5*time.Second), func() {}) // longer than the TTL of the saved state
		s.startMaster(0)
	case 2:
		s.stopMaster(0)
		s.changeFor(s.upTo(2*time.Second), func() {})
		s.startMaster(0)
	case 3:
		s.relay.Cut()
		s.history.Annotate(name, "all connections cut", time.Now())
	}
}

// seeds is the number of runs of TestReadersUnderFaults. In each run, the cluster changes, readers
// start and stop, faults hit messages and connections, and agents and masters are killed. After
// each series of faults all readers must recover within a period.
var seeds = flag.Uint64("seeds", 40, "number of runs of TestReadersUnderFaults")

func TestReadersUnderFaults(t *testing.T) {
	total := map[fault.Kind]int{}
	defer func() {
		for _, kind := range allKinds {
			if total[kind] < 10 {
				t.Errorf("got %d faults of the kind %q, want at least 10", total[kind], kind)
			}
		}
	}()
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			run(t, seed, func(s *harness) {
				s.history.RequireHealing(name, period)
				a := s.startReaders(seed)
				for round := range uint64(2) {
					s.relay.SetPlan(fault.Random(seed<<8|round, 12, allKinds...))
					s.changeFor(8*time.Second, s.disrupt)
					s.relay.SetPlan(nil)
					s.relay.Cut()
					s.history.Fault(name, "end of the faults", time.Now())
					s.changeFor(2*time.Second, func() {})
				}
				a.stop()
				s.mu.Lock()
				defer s.mu.Unlock()
				for kind, n := range s.injectedKinds {
					total[kind] += n
				}
			})
		})
	}
}

// TestNextMasterHasWhatReadersWereTold kills the master and the agent at random moments. Only the Store has a report then,
// which the next master serves.
func TestNextMasterHasWhatReadersWereTold(t *testing.T) {
	run(t, 11, func(s *harness) {
		s.pause = 200 * time.Millisecond
		a := s.startReaders(11)
		for range 30 {
			s.changeFor(period+s.upTo(period), func() {})
			s.killMaster(0)
			s.killAgent()
			s.startMaster(0)
			<-time.After(time.Second) // each reader reads the restored report
			s.startAgent()
		}
		a.stop()
	})
}

// TestHourOfFaults runs an hour of virtual time with long sessions, renewals, summaries without demand, and faults
// all the time.
func TestHourOfFaults(t *testing.T) {
	run(t, 7, func(s *harness) {
		s.relay.SetPlan(fault.Random(7, 200, allKinds...))
		a := s.startReaders(7)
		s.pause = 30 * time.Second
		s.changeFor(time.Hour, s.disrupt)
		a.stop()
	})
}

// TestEachFaultHealsInTime injects one fault at a time into a healthy session. Faults that are detected immediately
// must heal within a period, the others within a period after the
// timeout of the protocol.
func TestEachFaultHealsInTime(t *testing.T) {
	timeout := wire.SilenceTimeout(period)
	for kind, within := range map[fault.Kind]time.Duration{
		fault.Duplicate: period, fault.Truncate: period, fault.CutHalfway: period, fault.CutMaster: period,
		// The agent detects the cut immediately; the master detects it, and redials, after faultDuration.
		fault.CutAgent: period + faultDuration, fault.Delay: period,
		fault.Stall: timeout + period,
		fault.Flip:  period,
		// A lost message is detected by the next one or, if there is none, by the timeout.
		fault.Drop: timeout + period, fault.Reorder: timeout + period,
	} {
		for _, d := range []fault.Direction{fault.ToMaster, fault.ToAgent} {
			t.Run(kind.String()+" "+d.String(), func(t *testing.T) { healOnce(t, kind, d, within) })
		}
	}
}

// faultDuration is Fault.For: the duration of a delay, or the time between closing both sides.
const faultDuration = time.Second

// healOnce injects a fault into each of the first eight messages, each in a healthy session.
func healOnce(t *testing.T, kind fault.Kind, d fault.Direction, within time.Duration) {
	run(t, 3, func(s *harness) {
		s.history.RequireHealing(name, within)
		a := s.startReaders(3)
		for number := range 8 {
			// A new process has no failures and no backoff, and opens a new connection.
			s.stopMaster(0)
			done := make(chan struct{})
			plan := fault.Once(d, number, fault.Fault{Kind: kind, For: faultDuration, Seed: uint64(number)})
			s.relay.SetPlan(func(m fault.Message) fault.Fault {
				f := plan(m)
				if f.Kind != fault.None {
					s.history.Fault(name, "injected: "+kind.String(), time.Now())
					close(done)
				}
				return f
			})
			// The plan is set before the master starts, since some messages are sent once per session.
			s.startMaster(0)
			changeUntil(s, done, func() {})
			s.changeFor(within+period, func() {})
		}
		a.stop()
	})
}
