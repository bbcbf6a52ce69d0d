package view

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"strings"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

// EncodeClusters returns a page of the clusters that contain all words, in the given order: at most
// limit clusters (0: all), starting after the previous page. All pages carry the version of the
// first page, so that a watch from that version delivers every change in between.
func EncodeClusters(clusters []httpv1.Cluster, version, words string, from ListToken, limit int) (Body, error) {
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
func (p *ClusterPage) Add(c httpv1.Cluster) error {
	if p.more || c.Name <= p.from.after || !MatchesWords(&c, p.words) {
		return nil
	}
	if p.limit > 0 && p.count == p.limit {
		p.more = true
		return nil
	}
	p.rows.WriteByte(',')
	if err := appendJSON(&p.rows, normalizedCluster(c)); err != nil {
		return err
	}
	p.count, p.last = p.count+1, c.Name
	return nil
}

// head returns the fields of the page other than its clusters, as JSON without the closing brace.
func (p *ClusterPage) head(version string) ([]byte, error) {
	h := httpv1.ListMeta{ResourceVersion: cmp.Or(p.from.version, version)}
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
func MatchesWords(c *httpv1.Cluster, words string) bool {
	f := Filter{Words: words}
	return f.containsWords(func(add func(...string)) {
		add(c.Name, c.UID, c.KubernetesVersion, c.AgentVersion, string(c.Session.Phase), c.Session.Message)
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

// normalizedCluster returns the cluster as responses show it: with rounded times, with Display, and with a
// list of problems that is not null.
func normalizedCluster(c httpv1.Cluster) httpv1.Cluster {
	c.ObservedAt, c.ReceivedAt, c.Session = roundTime(c.ObservedAt), roundTime(c.ReceivedAt), normalizedSession(c.Session)
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
