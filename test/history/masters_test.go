package history_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/master/membership"
	"rollcall.dev/rollcall/master/membership/membershiptest"
	masterreport "rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/session"
)

// statusKind is the kind of messages with a PeerStatus.
const statusKind = 's'

// peerChannel passes messages with a PeerStatus to a master, and others to its membership.
type peerChannel struct {
	*membershiptest.Channel
	master *master
}

// Receive implements membership.Channel.
func (c peerChannel) Receive(ctx context.Context, handle func(sender string, kind byte, payload []byte), connected func()) error {
	return c.Channel.Receive(ctx, func(sender string, kind byte, payload []byte) {
		if kind != statusKind {
			handle(sender, kind, payload)
			return
		}
		var status session.PeerStatus
		if err := json.Unmarshal(payload, &status); err == nil {
			c.master.SetPeerStatus(status)
		}
	}, connected)
}

// addPeers makes a master one of several, by its configuration. The function that it returns starts its goroutines.
func (s *harness) addPeers(m *master, index int, config *session.Config) (run func(context.Context, *sync.WaitGroup)) {
	incarnation := fmt.Sprintf("%d-%d", index, s.random.Uint64())
	m.channel = s.network.Channel(incarnation)
	members := membership.New(membership.Config{
		Name: fmt.Sprintf("master-%d", index), Incarnation: incarnation, Channel: peerChannel{m.channel, m}, Leases: s.leases.CoordinationV1().Leases("rollcall-system"),
		OnChange: func() { m.OwnershipChanged() },
		OnWant:   func(cluster string, d time.Duration) { m.PeerWants(cluster, d) },
		Log:      slog.New(slog.DiscardHandler),
	})
	config.Holder, config.Peers = incarnation, members
	return func(ctx context.Context, all *sync.WaitGroup) {
		all.Go(func() { _ = members.Run(ctx) })
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case cluster := <-m.PeerUpdates():
					if status, ok := m.OwnStatus(cluster); ok {
						encoded, _ := json.Marshal(status)
						_ = m.channel.Send(ctx, statusKind, encoded)
					}
				}
			}
		})
	}
}

// disruptMasters disrupts one of several masters, or the agent, in most of its calls.
func (s *harness) disruptMasters() {
	i := s.random.IntN(len(s.masters))
	s.mu.Lock()
	m := s.masters[i]
	s.mu.Unlock()
	switch s.random.IntN(8) {
	case 0:
		s.killAgent()
		s.changeFor(s.upTo(4*time.Second), func() {})
		s.startAgent()
	case 1, 2:
		s.killMaster(i)
		s.changeFor(s.upTo(12*time.Second), func() {}) // longer than it takes to notice
		s.startMaster(i)
	case 3:
		s.stopMaster(i)
		s.changeFor(s.upTo(3*time.Second), func() {})
		s.startMaster(i)
	case 4:
		s.relay.Cut()
		s.history.Annotate(name, "all connections cut", time.Now())
	case 5:
		m.unreachable.Store(true)
		m.connections.cut()
		s.history.Annotate(name, fmt.Sprintf("master %d cannot reach the agent", i), time.Now())
		s.changeFor(s.upTo(15*time.Second), func() {})
		m.unreachable.Store(false)
	case 6:
		m.store.Cut(true)
		m.channel.Cut(true)
		s.history.Annotate(name, fmt.Sprintf("master %d cannot reach Redis", i), time.Now())
		s.changeFor(s.upTo(15*time.Second), func() {})
		m.channel.Cut(false)
		m.store.Cut(false)
	}
}

var mastersSeeds = flag.Uint64("masters-seeds", 2, "number of runs of TestReadersOfSeveralMastersUnderFaults")

// TestReadersOfSeveralMastersUnderFaults is TestReadersUnderFaults with three masters, of which each reader asks another
// one each time, for a version that is not older than its last one. Masters are killed and stopped, and cut from Redis or
// from the agent, while others go on.
func TestReadersOfSeveralMastersUnderFaults(t *testing.T) {
	for seed := range *mastersSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			runMasters(t, seed, 3, func(s *harness) {
				s.history.RequireHealing(name, 5*period)
				a := s.startReaders(seed)
				s.changeFor(time.Minute, s.disruptMasters)
				s.changeFor(12*time.Second, func() {}) // until the owner is agreed upon
				s.history.Fault(name, "end of the faults", time.Now())
				s.changeFor(10*time.Second, func() {})
				a.stop()
			})
		})
	}
}

// awaitVersion waits until a report is not older than last.
func awaitVersion(ctx context.Context, m *master, v *session.Report, last masterreport.Version) (*session.Report, error) {
	for v.Version().Compare(last) < 0 || !v.Fresh(time.Now()) {
		current, err := m.Current(name)
		if err != nil {
			return nil, err
		}
		if current.Report != nil && current.Report.HasState() && current.Report != v {
			v = current.Report
			continue
		}
		select {
		case <-current.Changed:
		case <-ctx.Done():
			return nil, session.ErrNoReport
		case <-m.ctx.Done():
			return nil, session.ErrStopping
		}
	}
	return v, nil
}

// notOlderThan returns the parameters of a request that returns no older version, as clients of several masters use them. A
// single master never returns an older version.
func (a *readers) notOlderThan(version string) string {
	if len(a.harness.masters) == 1 || version == "" {
		return ""
	}
	return "&resourceVersionMatch=NotOlderThan&resourceVersion=" + version
}
