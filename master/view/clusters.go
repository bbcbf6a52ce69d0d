package view

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Cluster is one registered cluster in the list of clusters.
type Cluster struct {
	Name       string   `json:"name"`
	ClusterIPs []string `json:"clusterIPs,omitempty"`
	UID        string   `json:"uid,omitempty"`

	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	AgentVersion      string `json:"agentVersion,omitempty"`

	// Suspended reports whether calls to the cluster are suspended.
	Suspended bool    `json:"suspended,omitempty"`
	Session   Session `json:"session"`
	// ResourceVersion and ReceivedAt belong to the last report. They are absent if there is no
	// report and the summary was requested on its own.
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	ObservedAt      time.Time `json:"observedAt,omitzero"`
	ReceivedAt      time.Time `json:"receivedAt,omitzero"`
	// Stale reports whether the summary is missing or older than the TTL.
	Stale bool `json:"stale"`
	// Summary and Display are absent until the cluster has reported once.
	Summary *state.Summary `json:"summary,omitempty"`
	Display *state.Display `json:"display,omitempty"`
}

// EncodeClusters returns a page of the clusters that contain all words, in the given order: at most
// limit clusters (0: all), starting behind the previous page. All pages carry the version of the
// first page, so that a watch from that version delivers every change in between.
func EncodeClusters(clusters []Cluster, version, words string, from ListToken, limit int) (Body, error) {
	p := NewClusterPage(words, from, limit)
	for _, c := range clusters {
		if err := p.Add(c); err != nil {
			return nil, err
		}
	}
	return p.Body(version)
}

// ClusterPage builds a page of the list of clusters, cluster by cluster. Body returns the whole
// page. Alternatively Flush and Finish return it incrementally.
type ClusterPage struct {
	words string
	from  ListToken
	limit int

	rows    bytes.Buffer // each preceded by a comma
	count   int
	last    string
	more    bool // more clusters follow the page
	started bool // Flush has returned the beginning
}

// NewClusterPage returns an empty page; see EncodeClusters for the arguments.
func NewClusterPage(words string, from ListToken, limit int) *ClusterPage {
	return &ClusterPage{words: words, from: from, limit: limit}
}

// Add adds a cluster if it belongs to the page. Clusters must be added in the order of their names.
func (p *ClusterPage) Add(c Cluster) error {
	if p.more || c.Name <= p.from.after || !c.MatchesWords(p.words) {
		return nil
	}
	if p.limit > 0 && p.count == p.limit {
		p.more = true
		return nil
	}
	p.rows.WriteByte(',')
	if err := appendJSON(&p.rows, c.normalized()); err != nil {
		return err
	}
	p.count, p.last = p.count+1, c.Name
	return nil
}

// head returns the fields of the page other than its clusters, as JSON without the closing brace.
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

// Flush returns the bytes of the clusters that were added since the last Flush. The bytes are not
// valid JSON until those of Finish follow.
func (p *ClusterPage) Flush() []byte {
	rows := bytes.Clone(p.rows.Bytes())
	p.rows.Reset()
	if p.started || len(rows) == 0 {
		return rows
	}
	p.started = true
	return append([]byte(`{"clusters":[`), rows[1:]...)
}

// Finish returns the last bytes of a page that is returned by Flush. The version comes last,
// because the version of a subset of clusters is known only when the subset is.
func (p *ClusterPage) Finish(version string) ([]byte, error) {
	head, err := p.head(version)
	if err != nil {
		return nil, err
	}
	last := p.Flush()
	if !p.started {
		last = []byte(`{"clusters":[`)
	}
	last = append(last, `],`...)
	return append(append(last, head[1:]...), end...), nil
}

// listHead holds the first fields of the list of clusters.
type listHead struct {
	// ResourceVersion is the version to start a watch of the list from.
	ResourceVersion string `json:"resourceVersion"`
	Continue        string `json:"continue,omitempty"`
}

// ListToken is the continue token of the list of clusters: the last name of a page, and the version
// of the first page.
type ListToken struct{ after, version string }

// String returns the token as clients pass it in the parameter continue.
func (t ListToken) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(t.after + " " + t.version))
}

// ParseListToken parses a token that String returned.
func ParseListToken(token string) (ListToken, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	after, version, _ := strings.Cut(string(b), " ")
	if err != nil || after == "" || validateName(after) != nil || ParseClusterListVersion(version) != nil {
		return ListToken{}, errInvalidToken
	}
	return ListToken{after, version}, nil
}

// MatchesWords reports whether each of the words occurs in the cluster's name, addresses, UID,
// versions, session or problems.
func (c *Cluster) MatchesWords(words string) bool {
	f := Filter{Words: words}
	return f.containsWords(func(add func(...string)) {
		add(c.Name, c.UID, c.KubernetesVersion, c.AgentVersion, c.Session.Phase, c.Session.Message)
		add(c.ClusterIPs...)
		if c.Summary == nil {
			return
		}
		for _, p := range c.Summary.Problems {
			add(p.Kind, p.What, p.Where, p.Owner.Name, p.Message)
			add(p.Others...)
		}
	})
}

// normalized returns the cluster as responses show it: with rounded times, with Display, and with a
// list of problems that is not null.
func (c Cluster) normalized() Cluster {
	c.ObservedAt, c.ReceivedAt, c.Session = roundTime(c.ObservedAt), roundTime(c.ReceivedAt), c.Session.normalized()
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
