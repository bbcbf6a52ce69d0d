package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// LinkRefusal describes an agent that dialed the master and was refused.
type LinkRefusal struct {
	// Cluster is the name of the cluster that the agent claims.
	Cluster string
	// Message is the cause, with what to do about it.
	Message string
}

// linkRefusals writes an Event about each refused agent whose ClusterAgent exists.
type linkRefusals struct {
	from   <-chan LinkRefusal
	client client.Client
	events *eventRecorder
}

// run writes Events until ctx ends.
func (l *linkRefusals) run(ctx context.Context) error {
	for {
		select {
		case r := <-l.from:
			l.record(ctx, r)
		case <-ctx.Done():
			return nil
		}
	}
}

// record writes the Event about a refused agent. Without a ClusterAgent of the claimed name there is none; the master's
// log has each refusal.
func (l *linkRefusals) record(ctx context.Context, r LinkRefusal) {
	if agent, err := readAgent(ctx, l.client, r.Cluster); err == nil && agent != nil {
		l.events.write(agent, notice{corev1.EventTypeWarning, v1alpha1.EventLinkRefused, "an agent that dialed the master was refused: " + truncate(r.Message, maxEventNote)})
	}
}

// maxEventNote limits the cause in an Event. Kubernetes limits the whole text to 1,024 characters.
const maxEventNote = 900
