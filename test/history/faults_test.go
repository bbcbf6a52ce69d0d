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
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/test/fault"
)

// everything is each way in which a message goes wrong.
var everything = []fault.Kind{
	fault.Drop, fault.Duplicate, fault.Reorder, fault.Flip, fault.Truncate, fault.Delay, fault.Stall, fault.CutMaster, fault.CutAgent, fault.CutHalfway,
}

// audience is readers who come and go until end is closed.
type audience struct {
	stage *stage
	end   chan struct{}
	all   sync.WaitGroup
}

func (s *stage) audience(seed uint64) *audience {
	a := &audience{stage: s, end: make(chan struct{})}
	a.all.Go(a.watch)
	for i := range 3 {
		random := rand.New(rand.NewPCG(seed, 200+uint64(i)))
		a.all.Go(func() { a.stream(fmt.Sprintf("GET ?watch %d", i), random) })
	}
	a.all.Go(a.ask)
	for i := range 4 {
		random := rand.New(rand.NewPCG(seed, 100+uint64(i)))
		a.all.Go(func() { a.get(fmt.Sprintf("GET %d", i), random) })
	}
	return a
}

func (a *audience) leave() {
	close(a.end)
	a.all.Wait()
}

// watch is somebody who watches all the time, whichever master there is.
func (a *audience) watch() {
	r := a.stage.history.Reader("watch")
	var at *master
	release := func() {}
	defer func() { release() }()
	for {
		select {
		case <-a.end:
			return
		case <-time.After(100 * time.Millisecond):
		}
		m := a.stage.now()
		if m != at {
			release()
			at, release = m, func() {}
			if m != nil {
				release = m.Watch(name)
			}
		}
		if m == nil {
			continue
		}
		if v, ok := m.Peek(name); ok && v.State != nil {
			r.Saw(name, v.Term, v.State, v.ReceivedAt)
		}
	}
}

// ask is somebody who asks the API, and is told whether what comes is stale.
func (a *audience) ask() {
	r := a.stage.history.Reader("GET by HTTP")
	for a.goesOn(700 * time.Millisecond) {
		m := a.stage.now()
		if m == nil {
			continue
		}
		w := httptest.NewRecorder()
		m.api.ServeHTTP(w, httptest.NewRequestWithContext(m.gone, http.MethodGet, "/api/v1/clusters/"+name+"?timeout=1s", nil))
		if w.Code != http.StatusOK || m.gone.Err() != nil {
			continue // who is gone is not answered
		}
		var d struct {
			ResourceVersion string
			ReceivedAt      time.Time
			Stale           bool
			Nodes, Pods     json.RawMessage
		}
		if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
			a.stage.t.Errorf("decode: %v", err)
			return
		}
		r.SawDocument(name, d.ResourceVersion, string(d.Nodes)+string(d.Pods), d.ReceivedAt)
		r.Told(name, d.Stale, time.Now())
	}
}

// goesOn waits, and says whether it is not over.
func (a *audience) goesOn(pause time.Duration) bool {
	select {
	case <-a.end:
		return false
	case <-time.After(pause):
		return true
	}
}

// stream is somebody who watches by HTTP, and comes again when the stream ends: with the
// last version that was heard of, or anew.
func (a *audience) stream(who string, random *rand.Rand) {
	w := &watcher{t: a.stage.t, stream: a.stage.history.Stream(who, name, nil), held: map[string]string{}}
	for a.goesOn(200 * time.Millisecond) {
		m := a.stage.now()
		if m == nil {
			continue
		}
		ctx, leave := context.WithTimeout(m.gone, time.Second+time.Duration(random.Int64N(int64(20*time.Second))))
		stop := context.AfterFunc(m.gone, leave)
		go func() {
			select {
			case <-a.end:
				leave()
			case <-ctx.Done():
			}
		}()
		target := "/api/v1/clusters/" + name + "/pods?watch=true&allowWatchBookmarks=true&timeout=1s"
		if w.version != "" && random.IntN(2) == 0 {
			target += "&resourceVersion=" + w.version
			w.stream.From(w.held, w.version, time.Now())
		} else {
			clear(w.held)
			w.version = ""
			w.stream.List(time.Now())
		}
		m.api.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil))
		leave()
		stop()
	}
}

// get is somebody who asks for a while, and then does not.
func (a *audience) get(who string, random *rand.Rand) {
	r := a.stage.history.Reader(who)
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
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
		m := a.stage.now()
		if m == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond+upTo(3*time.Second))
		v, err := m.Await(ctx, name)
		cancel()
		var unreachable *session.UnreachableError
		switch {
		case err == nil:
			if now := time.Now(); !v.Fresh(now) {
				a.stage.t.Errorf("%s got what expired %s ago", who, now.Sub(v.ExpiresAt))
			}
			r.Saw(name, v.Term, v.State, v.ReceivedAt)
			r.Told(name, false, time.Now())
		case !errors.Is(err, session.ErrNoReport) && !errors.Is(err, session.ErrStopping) && !errors.As(err, &unreachable):
			a.stage.t.Errorf("%s: %v", who, err)
		}
	}
}

// live has the cluster change for a while.
func (s *stage) live(d time.Duration, also func()) {
	end := time.NewTimer(d)
	defer end.Stop()
	liveUntil(s, end.C, also)
}

// liveUntil is live until something comes, or is closed.
func liveUntil[T any](s *stage, end <-chan T, also func()) {
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
			s.flipSection()
		case 2:
			also()
		default:
			s.change()
		}
	}
}

// mishap is something that goes wrong with a whole process or all connections.
func (s *stage) mishap() {
	switch s.random.IntN(8) {
	case 0:
		s.killAgent()
		s.live(s.upTo(4*time.Second), func() {})
		s.startAgent()
	case 1:
		s.killMaster()
		s.live(s.upTo(5*time.Second), func() {}) // longer than what it left may be served
		s.startMaster()
	case 2:
		s.stopMaster()
		s.live(s.upTo(2*time.Second), func() {})
		s.startMaster()
	case 3:
		s.relay.Cut()
		s.history.Note(name, "all cut", time.Now())
	}
}

// TestNothingIsLostDoubledOrMixedUnderFaults is a cluster that changes, readers who
// come and go, messages and connections that break, and agents and masters that are
// killed. At the end of each storm all is well within a period.
var seeds = flag.Uint64("seeds", 40, "how many runs TestNothingIsLostDoubledOrMixedUnderFaults has")

func TestNothingIsLostDoubledOrMixedUnderFaults(t *testing.T) {
	total := map[fault.Kind]int{}
	defer func() {
		for _, kind := range everything {
			if total[kind] < 10 {
				t.Errorf("only %d faults were of the kind %q: too little happened", total[kind], kind)
			}
		}
	}()
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			act(t, seed, func(s *stage) {
				s.history.Heals(name, period)
				a := s.audience(seed)
				for storm := range uint64(2) {
					s.relay.SetPlan(fault.Random(seed<<8|storm, 12, everything...))
					s.live(8*time.Second, s.mishap)
					s.relay.SetPlan(nil)
					s.relay.Cut()
					s.history.Fault(name, "the end of a storm", time.Now())
					s.live(2*time.Second, func() {})
				}
				a.leave()
				s.mu.Lock()
				defer s.mu.Unlock()
				for kind, n := range s.broken {
					total[kind] += n
				}
			})
		})
	}
}

// TestAnHourWithAFaultNowAndThen is long sessions, renewals, summaries while nobody
// asks, and a storm that never ends.
func TestAnHourWithAFaultNowAndThen(t *testing.T) {
	act(t, 7, func(s *stage) {
		s.relay.SetPlan(fault.Random(7, 200, everything...))
		a := s.audience(7)
		s.pause = 30 * time.Second
		s.live(time.Hour, s.mishap)
		a.leave()
	})
}

// TestEachFaultHealsInTime has one message of a session go wrong, when all was well,
// and wants all to be well again: within a period where the fault can be noticed at
// once, and else when the protocol's patience is over.
func TestEachFaultHealsInTime(t *testing.T) {
	patience := wire.Silence(period)
	for kind, within := range map[fault.Kind]time.Duration{
		fault.Duplicate: period, fault.Truncate: period, fault.CutHalfway: period, fault.CutMaster: period,
		// The agent finds its session cut, and is dialed when the master does.
		fault.CutAgent: period + hang, fault.Delay: period,
		fault.Stall: patience + period,
		fault.Flip:  period,
		// What is lost shows with what comes next, and if nothing does, by the silence.
		fault.Drop: patience + period, fault.Reorder: patience + period,
	} {
		for _, d := range []fault.Direction{fault.ToMaster, fault.ToAgent} {
			t.Run(kind.String()+" "+d.String(), func(t *testing.T) { healOnce(t, kind, d, within) })
		}
	}
}

// hang is how long half of a cut connection hangs, or a delay takes.
const hang = time.Second

// healOnce breaks one message after another, each in a session that is well.
func healOnce(t *testing.T, kind fault.Kind, d fault.Direction, within time.Duration) {
	act(t, 3, func(s *stage) {
		s.history.Heals(name, within)
		a := s.audience(3)
		for number := range 8 {
			// A new process counts no resyncs and no failures, and opens a new connection.
			s.stopMaster()
			done := make(chan struct{})
			plan := fault.Once(d, number, fault.Fault{Kind: kind, For: hang, Seed: uint64(number)})
			s.relay.SetPlan(func(m fault.Message) fault.Fault {
				f := plan(m)
				if f.Kind != fault.None {
					s.history.Fault(name, "now: "+kind.String(), time.Now())
					close(done)
				}
				return f
			})
			// Followed from its first message on: some come once in a session only.
			s.startMaster()
			liveUntil(s, done, func() {})
			s.live(within+period, func() {})
		}
		a.leave()
	})
}
