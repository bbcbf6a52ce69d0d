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
	p := NewClusterPage(words, from, limit)
	for _, c := range clusters {
		if err := p.Add(c); err != nil {
			return nil, err
		}
	}
	return p.Body(version)
}

// ClusterPage is a page of the list of clusters that is made cluster by cluster. Either Body
// gives all of it, or Take and End give it piece by piece.
type ClusterPage struct {
	words string
	from  ListToken
	limit int

	rows  bytes.Buffer // each behind a comma
	count int
	last  string
	more  bool // there are clusters behind the page
	begun bool // some of it was taken
}

// NewClusterPage returns an empty page; see EncodeClusters.
func NewClusterPage(words string, from ListToken, limit int) *ClusterPage {
	return &ClusterPage{words: words, from: from, limit: limit}
}

// Add adds a cluster if it belongs to the page. Clusters come in the order of their names.
func (p *ClusterPage) Add(c Cluster) error {
	if p.more || c.Name <= p.from.after || !c.Found(p.words) {
		return nil
	}
	if p.limit > 0 && p.count == p.limit {
		p.more = true
		return nil
	}
	p.rows.WriteByte(',')
	if err := appendJSON(&p.rows, c.shown()); err != nil {
		return err
	}
	p.count, p.last = p.count+1, c.Name
	return nil
}

// head is what the page has besides its clusters, as JSON that is not closed.
func (p *ClusterPage) head(version string) ([]byte, error) {
	h := listHead{ResourceVersion: cmp.Or(p.from.version, version)}
	if p.more {
		h.Continue = ListToken{p.last, h.ResourceVersion}.String()
	}
	var head bytes.Buffer
	if err := appendJSON(&head, h); err != nil {
		return nil, err
	}
	head.Truncate(head.Len() - 1)
	return head.Bytes(), nil
}

// Body returns the page.
func (p *ClusterPage) Body(version string) (Body, error) {
	head, err := p.head(version)
	if err != nil {
		return nil, err
	}
	return Body{head, []byte(`,"clusters":`), array(p.rows.Bytes()), end}, nil
}

// Take returns the bytes of what was added since the last Take. What was taken is no JSON
// before End is behind it.
func (p *ClusterPage) Take() []byte {
	rows := bytes.Clone(p.rows.Bytes())
	p.rows.Reset()
	if p.begun || len(rows) == 0 {
		return rows
	}
	p.begun = true
	return append([]byte(`{"clusters":[`), rows[1:]...)
}

// End returns the last bytes of a page that was taken. A list that is told piece by piece
// tells its version last: that of some clusters is known when it is known which they are.
func (p *ClusterPage) End(version string) ([]byte, error) {
	head, err := p.head(version)
	if err != nil {
		return nil, err
	}
	last := p.Take()
	if !p.begun {
		last = []byte(`{"clusters":[`)
	}
	last = append(last, `],`...)
	return append(append(last, head[1:]...), end...), nil
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
