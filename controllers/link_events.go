package controllers

import (
	"context"

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
	agent, err := readAgent(ctx, l.client, e.Cluster)
	if err != nil || agent == nil {
		return
	}
	message := truncate(e.Message, maxEventNote)
	if e.Reason == v1alpha1.EventKeyEnrolled {
		l.enrolled.write(agent, notice{corev1.EventTypeNormal, e.Reason, message})
		return
	}
	l.refused.write(agent, notice{corev1.EventTypeWarning, v1alpha1.EventLinkRefused, "an agent that dialed the master was refused: " + message})
}

// maxEventNote limits the cause in an Event. Kubernetes limits the whole text to 1,024 characters.
const maxEventNote = 900
