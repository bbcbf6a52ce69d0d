package view

import (
	"bytes"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Cluster is one registered cluster in the list of them.
type Cluster struct {
	Name       string   `json:"name"`
	ClusterIPs []string `json:"clusterIPs,omitempty"`
	UID        string   `json:"uid,omitempty"`

	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	AgentVersion      string `json:"agentVersion,omitempty"`

	// Suspended says that the cluster must not be called for now.
	Suspended bool    `json:"suspended,omitempty"`
	Session   Session `json:"session"`
	// ResourceVersion and ReceivedAt are those of the last report; absent where there
	// is none, and the summary is one that was asked for by itself.
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	ObservedAt      time.Time `json:"observedAt,omitzero"`
	ReceivedAt      time.Time `json:"receivedAt,omitzero"`
	// Stale says that the summary is no fresh answer: it is older than the TTL, or
	// there is none.
	Stale bool `json:"stale"`
	// Summary and Display are absent until the cluster was heard of once.
	Summary *state.Summary `json:"summary,omitempty"`
	Display *state.Display `json:"display,omitempty"`
}

// EncodeClusters is the list of clusters, as they come.
func EncodeClusters(clusters []Cluster) (Body, error) {
	var buf bytes.Buffer
	buf.WriteString(`{"clusters":`)
	w := newWriter(&buf)
	for _, c := range clusters {
		if err := w.write(c.shown()); err != nil {
			return nil, err
		}
	}
	w.close()
	return Body{buf.Bytes(), end}, nil
}

func (c Cluster) shown() Cluster {
	c.ObservedAt, c.ReceivedAt, c.Session = instant(c.ObservedAt), instant(c.ReceivedAt), c.Session.shown()
	if c.Summary == nil {
		return c
	}
	display := state.DisplayOf(*c.Summary)
	c.Display = &display
	if c.Summary.Problems == nil {
		sum := *c.Summary
		sum.Problems = []state.Problem{}
		c.Summary = &sum
	}
	return c
}
