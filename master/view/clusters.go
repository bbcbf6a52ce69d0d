package view

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"strings"
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
// at most limit (0: all), from where the page before ended. All pages tell the version of
// the first: a watch from there completes them.
func EncodeClusters(clusters []Cluster, version, words string, from ListToken, limit int) (Body, error) {
	var list, head bytes.Buffer
	h := listHead{ResourceVersion: cmp.Or(from.version, version)}
	count, last := 0, ""
	for _, c := range clusters {
		if c.Name <= from.after || !c.Found(words) {
			continue
		}
		if limit > 0 && count == limit {
			h.Continue = ListToken{last, h.ResourceVersion}.String()
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

// ListToken is where a page of the list ended, and the version of the first page.
type ListToken struct{ after, version string }

// String is the token as clients hand it back.
func (t ListToken) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(t.after + " " + t.version))
}

// ParseListToken reads what String wrote.
func ParseListToken(token string) (ListToken, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	after, version, _ := strings.Cut(string(b), " ")
	if err != nil || after == "" || name(after) != nil || ParseFleetVersion(version) != nil {
		return ListToken{}, errToken
	}
	return ListToken{after, version}, nil
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
			look(p.Kind, p.What, p.Where, p.Owner.Name, p.Message)
			look(p.Others...)
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
