package view

import (
	"bytes"
	"encoding/base64"
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

// EncodeClusters is a page of the clusters in which the words are found, as they come:
// at most limit (0: all) behind the one called after.
func EncodeClusters(clusters []Cluster, version, words, after string, limit int) (Body, error) {
	var list, head bytes.Buffer
	h := listHead{ResourceVersion: version}
	count, last := 0, ""
	for _, c := range clusters {
		if c.Name <= after || !c.Found(words) {
			continue
		}
		if limit > 0 && count == limit {
			h.Continue = listToken(last)
			break
		}
		list.WriteByte(',')
		if err := appendJSON(&list, c.shown()); err != nil {
			return nil, err
		}
		count, last = count+1, c.Name
	}
	if err := appendJSON(&head, h); err != nil {
		return nil, err
	}
	head.Truncate(head.Len() - 1)
	return Body{head.Bytes(), []byte(`,"clusters":`), array(list.Bytes()), end}, nil
}

// listHead is what the list of clusters begins with.
type listHead struct {
	// ResourceVersion is where a watch of the fleet goes on from here.
	ResourceVersion string `json:"resourceVersion"`
	Continue        string `json:"continue,omitempty"`
}

func listToken(after string) string { return base64.RawURLEncoding.EncodeToString([]byte(after)) }

// ParseListToken reads where the page before ended.
func ParseListToken(token string) (after string, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || name(string(b)) != nil || len(b) == 0 {
		return "", errToken
	}
	return string(b), nil
}

// Found says that each of the words is in something that the list tells of a cluster.
func (c *Cluster) Found(words string) bool {
	f := Filter{Words: words}
	return f.found(func(look func(...string)) {
		look(c.Name, c.UID, c.KubernetesVersion, c.AgentVersion, c.Session.Phase, c.Session.Message)
		look(c.ClusterIPs...)
		if c.Summary == nil {
			return
		}
		for _, p := range c.Summary.Problems {
			look(p.Kind, p.What, p.Where, p.Message)
		}
	})
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
