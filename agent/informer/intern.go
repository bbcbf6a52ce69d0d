package informer

import (
	"sync"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// maxInterned limits the strings of an interner.
const maxInterned = 32768

// interner deduplicates strings, because every decoded pod has copies of the same few namespaces,
// node names, images and reasons. It is cleared when it is full, so that it does not keep names
// that are no longer used. Package unique releases unused strings by itself, but takes about 100
// bytes per string, while interner takes 40.
//
// All kinds share one interner, because several kinds have node names.
type interner struct {
	mu      sync.Mutex
	strings map[string]string
}

// newInterner returns an empty interner.
func newInterner() *interner { return &interner{strings: map[string]string{}} }

// labels converts labels to an interned LabelSet, which the pods of a workload share.
func (i *interner) labels(list []*slimpb.Entry) facts.LabelSet {
	if len(list) == 0 {
		return ""
	}
	pairs := make([]string, 0, len(list))
	for _, l := range list {
		pairs = append(pairs, l.GetKey()+"="+l.GetValue())
	}
	return facts.LabelSet(i.intern(string(facts.NewLabelSet(pairs))))
}

// intern returns state.CleanText of s as a string that shares memory with equal strings. Most strings
// come from users of the cluster and may contain any characters.
func (i *interner) intern(s string) string {
	if s == "" {
		return ""
	}
	s = state.CleanText(s)
	i.mu.Lock()
	defer i.mu.Unlock()
	if known, ok := i.strings[s]; ok {
		return known
	}
	if len(i.strings) >= maxInterned {
		clear(i.strings)
	}
	i.strings[s] = s
	return s
}
