package informer

import (
	"sync"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// maxInterned limits the strings of an interner.
const maxInterned = 32768

// interner deduplicates strings: every pod brings copies of the same few namespaces, node
// names, images and reasons. When it is full it is cleared, so that names that are no
// longer used do not stay. (Package unique releases unused strings by itself, but takes
// about 100 bytes a string; this takes 40.)
//
// All kinds share one interner, since three of them have node names.
type interner struct {
	mu    sync.Mutex
	known map[string]string
}

// newInterner returns an empty interner.
func newInterner() *interner { return &interner{known: map[string]string{}} }

// labels returns the labels as a string that the pods of a workload share.
func (i *interner) labels(list []*slimpb.Entry) facts.LabelSet {
	if len(list) == 0 {
		return ""
	}
	pairs := make([]string, 0, len(list))
	for _, l := range list {
		pairs = append(pairs, l.GetKey()+"="+l.GetValue())
	}
	return facts.LabelSet(i.of(string(facts.NewLabelSet(pairs))))
}

// of returns s, cleaned by state.CleanText, sharing memory with an equal string from
// before. Most strings come from users of the cluster, and may contain anything.
func (i *interner) of(s string) string {
	if s == "" {
		return ""
	}
	s = state.CleanText(s)
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.known[s]; ok {
		return known
	}
	if len(i.known) >= maxInterned {
		clear(i.known)
	}
	i.known[s] = s
	return s
}
