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

// maxTokenBytes is the maximum length of a continue token in bytes.
const maxTokenBytes = 4 << 10

// continueToken is the position after a page. The next page has the current rows after Key. A
// watch from Version, which is the version of the first page, delivers the changes that the pages
// missed.
type continueToken struct {
	Cluster string    `json:"cluster"`
	Version string    `json:"version"`
	Filter  uint64    `json:"filter"`
	Key     state.Key `json:"key"`
}

var errInvalidToken = errors.New("invalid continue token; start again without it")

func (t continueToken) encode() (string, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode continue token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// setContinue parses a continue token.
func setContinue(q *Query, token string) error {
	if len(token) > maxTokenBytes {
		return errInvalidToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return errInvalidToken
	}
	m := &continueToken{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if dec.Decode(m) != nil || dec.More() || m.Key.Kind != kinds[q.Part] {
		return errInvalidToken
	}
	q.after = m
	return nil
}

// validate returns an error if the token belongs to another query or cluster.
func (t *continueToken) validate(cluster string, f Filter) error {
	switch {
	case t == nil:
		return nil
	case t.Cluster != cluster:
		return &ParameterError{Name: "continue", Message: fmt.Sprintf("belongs to cluster %s; start again without it", quote(t.Cluster))}
	case t.Filter != f.hash():
		return &ParameterError{Name: "continue", Message: "belongs to a query with other filters; repeat those filters, or start again without it"}
	}
	return nil
}

// hash returns a hash of the filter. A token contains it instead of the filter.
func (f Filter) hash() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%#v", f)
	return h.Sum64()
}
