package view

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"

	"rollcall.dev/rollcall/api/state"
)

// maxToken is the longest continue token that is read.
const maxToken = 4 << 10

// mark is where a page ended; it is what is in a continue token. The next page shows
// what there is by then behind Key, so a watch from Version, which is the first
// page's, tells all that the pages missed.
type mark struct {
	Cluster string    `json:"cluster"`
	Version string    `json:"version"`
	Filter  uint64    `json:"filter"`
	Key     state.Key `json:"key"`
}

var errToken = errors.New("is no token of ours; begin again without it")

func (m mark) token() (string, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("encode continue token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func setContinue(q *Query, token string) error {
	if len(token) > maxToken {
		return errToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return errToken
	}
	m := &mark{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if dec.Decode(m) != nil || dec.More() || m.Key.Kind != kinds[q.Part] {
		return errToken
	}
	q.after = m
	return nil
}

// belongs says that a token continues this query of this cluster.
func (m *mark) belongs(cluster string, f Filter) error {
	switch {
	case m == nil:
		return nil
	case m.Cluster != cluster:
		return &ParameterError{Name: "continue", Words: fmt.Sprintf("is of cluster %s; begin again without it", quote(m.Cluster))}
	case m.Filter != f.fingerprint():
		return &ParameterError{Name: "continue", Words: "is of a query with other filters; repeat them, or begin again without it"}
	}
	return nil
}

// fingerprint tells filters apart; a token holds it instead of the filter.
func (f Filter) fingerprint() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q", []string{f.Namespace, f.Node, f.Pod, f.OwnerKind, f.OwnerName, f.State, f.Kind, f.Words, f.Protocol.String(), fmt.Sprint(f.Port)})
	return h.Sum64()
}
