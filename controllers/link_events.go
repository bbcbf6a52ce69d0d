package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// LinkEvent is an Event about an agent that dialed the master.
type LinkEvent struct {
	// Cluster is the name of the ClusterAgent.
	Cluster string
	// Reason is EventLinkRefused or EventKeyEnrolled.
	Reason string
	// Message is the cause, with what to do about it, or what was enrolled.
	Message string
}

// linkEvents writes an Event for each LinkEvent whose ClusterAgent exists.
type linkEvents struct {
	from   <-chan LinkEvent
	client client.Client
	// An agent that is refused must not use up the limits of other Events.
	refused, enrolled *eventRecorder
	// recent has the refusals of the last time, and when there was an Event about them. An agent tries again and again,
	// and must not use up the limit of the cluster before another one is refused for another cause.
	recent *lru.Cache[LinkEvent, time.Time]
	now    func() time.Time
}

const (
	// refusalPeriod is the time between two Events about the same refusal, and maxRecentRefusals the number of those that
	// are remembered.
	refusalPeriod     = 5 * time.Minute
	maxRecentRefusals = 1024
)

// newLinkEvents returns a linkEvents that writes what comes from a channel.
func newLinkEvents(from <-chan LinkEvent, c client.Client, refused, enrolled *eventRecorder) *linkEvents {
	recent, _ := lru.New[LinkEvent, time.Time](maxRecentRefusals) // fails for a negative size only
	return &linkEvents{from: from, client: c, refused: refused, enrolled: enrolled, recent: recent, now: time.Now}
}

// run writes Events until ctx ends.
func (l *linkEvents) run(ctx context.Context) error {
	for {
		select {
		case e := <-l.from:
			l.record(ctx, e)
		case <-ctx.Done():
			return nil
		}
	}
}

// record writes an Event. Without a ClusterAgent of that name there is none; the master's log has each refusal.
func (l *linkEvents) record(ctx context.Context, e LinkEvent) {
	if at, ok := l.recent.Get(e); ok && l.now().Sub(at) < refusalPeriod {
		return
	}
	agent, err := readAgent(ctx, l.client, e.Cluster)
	if err != nil || agent == nil {
		return
	}
	message, action := truncate(e.Message, maxEventNote), actionOf(e)
	if e.Reason == v1alpha1.EventKeyEnrolled {
		l.enrolled.writeAction(agent, notice{corev1.EventTypeNormal, e.Reason, message}, action)
		return
	}
	l.recent.Add(e, l.now())
	l.refused.writeAction(agent, notice{corev1.EventTypeWarning, v1alpha1.EventLinkRefused, "an agent that dialed the master was refused: " + message}, action)
}

// actionOf returns the action of an Event, which differs between causes.
func actionOf(e LinkEvent) string {
	sum := sha256.Sum256([]byte(e.Message))
	return v1alpha1.EventAction + "-" + hex.EncodeToString(sum[:4])
}

// maxEventNote limits the cause in an Event. Kubernetes limits the whole text to 1,024 characters.
const maxEventNote = 900
