package informer

import (
	"sync"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// maxInterned is how many strings an interner remembers.
const maxInterned = 32768

// interner makes equal strings share their bytes. The same few namespaces, node
// names, images and reasons come with every pod, each time as bytes of their own.
// It is a cache, not a registry: once it is full it starts anew, so names that come
// and go do not stay. (Package unique forgets by itself, but takes some hundred bytes
// for each string, where this takes 40.)
//
// One is for all kinds, as node names are in three of them.
type interner struct {
	mu    sync.Mutex
	known map[string]string
}

func newInterner() *interner { return &interner{known: map[string]string{}} }

// labels returns labels in the form that pods of one workload share.
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

// of returns s, cleaned, with the bytes of an equal string from before. Users of a
// cluster write most of what facts are made of: an image's name may hold anything.
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
