package master

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/membership"
	"rollcall.dev/rollcall/master/session"
)

const (
	// kindStatus is the kind of messages with a session.PeerStatus.
	kindStatus = 's'
	// statusTimeout limits the sending of a status.
	statusTimeout = time.Second
	// linkInterval is the time between two announcements of links that have changed. A link that is gone for less
	// than linkGrace, as the agent opens another one after each session, counts as present.
	linkInterval = time.Second
	linkGrace    = 5 * time.Second
	// handoverTime is how long a master that stops serves its clusters after it has told the others.
	handoverTime = 3 * time.Second
)

// shared reports whether several masters share the clusters, by Redis. Otherwise one of them leads.
func (c *Config) shared() bool { return c.LeaderElect && isRedis(c.Cache) }

// name returns the name of this master among those that share the clusters.
func (c *Config) name() (string, error) {
	if c.PodName != "" {
		return c.PodName, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("get the host name as the name of this master (or set --pod-name): %w", err)
	}
	return strings.ToLower(host), nil
}

// peers connects the sessions of this master with the other masters that share the clusters.
type peers struct {
	*membership.Members
	incarnation string
	channel     membership.Channel
	sessions    *session.Sessions
	// joined is set once this master knows the others.
	joined atomic.Bool
}

// newPeers returns the peers of a master, nil if it shares no clusters. Its sessions must be set before it runs.
func (c *Config) newPeers(hub *rest.Config, store cache.Store, incarnation string, metrics prometheus.Registerer) (*peers, error) {
	if !c.shared() {
		return nil, nil
	}
	name, err := c.name()
	if err != nil {
		return nil, err
	}
	config := rest.AddUserAgent(hub, "membership")
	config.Timeout = leaseTimeout
	client, err := coordinationv1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("create the client for the Leases of the masters: %w", err)
	}
	channel, ok := store.(membership.Channel)
	if !ok {
		return nil, fmt.Errorf("the cache %T passes no messages between masters", store)
	}
	p := &peers{incarnation: incarnation, channel: channel}
	p.Members = membership.New(membership.Config{
		Name: name, Incarnation: incarnation, PodName: c.PodName, PodUID: types.UID(c.PodUID),
		Channel: channel, Leases: client.Leases(c.leaseNamespace()), Log: c.Log, Metrics: metrics,
		OnChange:  func() { p.sessions.OwnershipChanged() },
		OnWant:    func(cluster string, d time.Duration) { p.sessions.PeerWants(cluster, d) },
		OnMessage: p.receive,
		OnReset:   func() { p.sessions.RefreshPeers() },
	})
	return p, nil
}

// id returns the ID of this process that the other masters see, "" if p is nil.
func (p *peers) id() string {
	if p == nil {
		return ""
	}
	return p.incarnation
}

// asPeers returns p, or nil if p is nil.
func (p *peers) asPeers() session.Peers {
	if p == nil {
		return nil
	}
	return p
}

// Owns implements session.Peers. A master that cannot know which others are alive owns nothing: it keeps its sessions until
// another master supersedes them, but dials for its own readers only, without replacing a session of another master.
func (p *peers) Owns(cluster string) bool { return p.Members.Owns(cluster) && !p.Frozen() }

// masters returns the number of masters that share the clusters.
func (p *peers) masters() int { return len(p.Alive()) }

// ready is the readiness check: whether this master knows the others.
func (p *peers) ready(hub manager.Manager) func() error {
	return func() error {
		select {
		case <-hub.Elected():
		default:
			return errors.New("this master is starting and does not dial agents yet")
		}
		if !p.joined.Load() && p.masters() == 0 {
			return errors.New("this master does not know yet which other masters are alive: check whether it reaches the hub's API server or Redis; the log has the error")
		}
		p.joined.Store(true)
		return nil
	}
}

// run takes part in the membership, and exchanges status and links with the other masters, until ctx ends.
func (p *peers) run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return p.Run(ctx) })
	all.Go(func() error { p.sendStatus(ctx); return nil })
	all.Go(func() error { p.announceLinks(ctx); return nil })
	return all.Wait()
}

// sendStatus sends the status of owned clusters when it changes.
func (p *peers) sendStatus(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case cluster := <-p.sessions.PeerUpdates():
			status, ok := p.sessions.OwnStatus(cluster)
			if !ok {
				continue
			}
			payload, err := json.Marshal(status)
			if err != nil {
				continue // all fields can be encoded; a test checks that
			}
			timed, cancel := context.WithTimeout(ctx, statusTimeout)
			_ = p.channel.Send(timed, kindStatus, payload) // the channel logs errors; OnReset follows
			cancel()
		}
	}
}

// receive handles a message of another master that is not about membership.
func (p *peers) receive(kind byte, payload []byte) {
	var status session.PeerStatus
	if kind == kindStatus && json.Unmarshal(payload, &status) == nil && status.Status.Cluster != "" {
		p.sessions.SetPeerStatus(status)
	}
}

// announceLinks announces which clusters have a link to this master.
func (p *peers) announceLinks(ctx context.Context) {
	if p.sessions.Links() == nil {
		return
	}
	seen := map[string]time.Time{}
	ticker := time.NewTicker(linkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			p.AnnounceLinks(recentLinks(seen, p.sessions.Linked(), now))
		}
	}
}

// recentLinks returns the clusters that are linked now, or were within linkGrace. seen has when each was linked last.
func recentLinks(seen map[string]time.Time, linked []string, now time.Time) []string {
	for _, cluster := range linked {
		seen[cluster] = now
	}
	recent := make([]string, 0, len(seen))
	for cluster, at := range seen {
		if now.Sub(at) > linkGrace {
			delete(seen, cluster)
			continue
		}
		recent = append(recent, cluster)
	}
	return recent
}

// untilHandedOver returns a context that ends after ctx, when the other masters had time to take over the clusters of this
// one.
func (m *components) untilHandedOver(ctx context.Context, log *slog.Logger) (context.Context, context.CancelFunc) {
	if m.peers == nil {
		return context.WithCancel(ctx)
	}
	later, stop := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		defer stop()
		if err := m.peers.leave(later); err != nil {
			log.Info("cannot tell the other masters that this one stops; they take over its clusters within 10 s", "error", err)
		}
	})
	return later, stop
}

// leave tells the other masters that this one stops, and gives them time to take over its clusters.
func (p *peers) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	err := p.Drain(ctx)
	if p.masters() > 0 {
		<-ctx.Done()
	}
	return err
}
