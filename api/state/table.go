package state

import (
	"iter"
	"slices"
	"sort"
)

// Entry is an object with the seq of its last change and its slot.
type Entry struct {
	// Seq is the agent's count of changes when this object last changed.
	Seq uint64
	// Slot is where a Usage has this node's or container's sample; it has no
	// meaning for other kinds.
	Slot   uint32
	Object Object
}

// chunkSize is how many entries a chunk has at most. A change copies its chunk
// and the list of chunks, so a table of n entries pays about chunkSize + n/chunkSize.
const chunkSize = 256

// table is the entries of one kind in key order. It is persistent: with leaves
// the receiver as it was and shares every chunk that did not change.
type table struct {
	chunks []chunk
	len    int
}

// chunk is a non-empty run of entries in key order. maxSeq is the highest of
// their seqs: who looks for changes passes over chunks without any.
type chunk struct {
	entries []Entry
	maxSeq  uint64
}

func newChunk(entries []Entry) chunk {
	c := chunk{entries: entries}
	for i := range entries {
		c.maxSeq = max(c.maxSeq, entries[i].Seq)
	}
	return c
}

// find is the index of the chunk that holds k or would take it.
func (t *table) find(k Key) int {
	i := sort.Search(len(t.chunks), func(i int) bool { return t.chunks[i].entries[0].Object.Key().Compare(k) > 0 })
	return max(i-1, 0)
}

func search(entries []Entry, k Key) (int, bool) {
	return slices.BinarySearchFunc(entries, k, func(e Entry, k Key) int { return e.Object.Key().Compare(k) })
}

func (t *table) get(k Key) (Entry, bool) {
	if t.len == 0 {
		return Entry{}, false
	}
	entries := t.chunks[t.find(k)].entries
	i, found := search(entries, k)
	if !found {
		return Entry{}, false
	}
	return entries[i], true
}

// from yields the entries at or after k, in order.
func (t *table) from(k Key) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		if t.len == 0 {
			return
		}
		first := t.find(k)
		start, _ := search(t.chunks[first].entries, k)
		for _, c := range t.chunks[first:] {
			for _, e := range c.entries[start:] {
				if !yield(e) {
					return
				}
			}
			start = 0
		}
	}
}

func (t *table) all() iter.Seq[Entry] { return t.changedSince(0, true) }

// changedSince yields the entries with a seq above since, in order; everything
// where all is set.
func (t *table) changedSince(since uint64, all bool) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, c := range t.chunks {
			if !all && c.maxSeq <= since {
				continue
			}
			for _, e := range c.entries {
				if (all || e.Seq > since) && !yield(e) {
					return
				}
			}
		}
	}
}

// edit is one change to a table: an entry to put, or a key to take out.
type edit struct {
	key    Key
	put    Entry
	remove bool
}

// with is the table after the edits, which are in key order with no key twice.
func (t *table) with(edits []edit) table {
	if len(edits) == 0 {
		return *t
	}
	next := table{chunks: make([]chunk, 0, len(t.chunks)+len(edits)/chunkSize+1)}
	for i, c := range t.chunks {
		mine := edits
		if i+1 < len(t.chunks) {
			bound := t.chunks[i+1].entries[0].Object.Key()
			n := sort.Search(len(edits), func(j int) bool { return edits[j].key.Compare(bound) >= 0 })
			mine = edits[:n]
		}
		edits = edits[len(mine):]
		if len(mine) == 0 {
			next.append(c)
			continue
		}
		next.split(merge(c.entries, mine))
	}
	if len(t.chunks) == 0 {
		next.split(merge(nil, edits))
	}
	return next
}

func (t *table) append(c chunk) {
	t.chunks = append(t.chunks, c)
	t.len += len(c.entries)
}

// split takes in a run of entries as chunks of even size. Each has memory of its own:
// one that stays must not keep that of others which were replaced since.
func (t *table) split(entries []Entry) {
	parts := (len(entries) + chunkSize - 1) / chunkSize
	if parts == 1 {
		t.append(newChunk(entries))
		return
	}
	for ; parts > 0; parts-- {
		n := (len(entries) + parts - 1) / parts
		t.append(newChunk(slices.Clone(entries[:n])))
		entries = entries[n:]
	}
}

// merge is old with the edits, both in key order, and no room to spare.
func merge(old []Entry, edits []edit) []Entry {
	merged := make([]Entry, 0, mergedLen(old, edits))
	for _, e := range edits {
		i, found := search(old, e.key)
		merged = append(merged, old[:i]...)
		if found {
			i++
		}
		old = old[i:]
		if !e.remove {
			merged = append(merged, e.put)
		}
	}
	return append(merged, old...)
}

func mergedLen(old []Entry, edits []edit) int {
	n := len(old)
	for _, e := range edits {
		_, found := search(old, e.key)
		switch {
		case found && e.remove:
			n--
		case !found && !e.remove:
			n++
		}
	}
	return n
}
