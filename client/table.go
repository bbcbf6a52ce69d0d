package client

import (
	"maps"
	"reflect"
	"slices"
	"sync"

	"rollcall.dev/rollcall/api/state"
)

// kind is what a table has to know of its rows.
type kind[T any] struct {
	key       func(*T) state.Key
	namespace func(*T) string
	node      func(*T) string
}

// table is the rows of one kind, with indexes. Rows are never changed, but replaced.
type table[T any] struct {
	kind[T]
	rows        map[state.Key]*T
	byNamespace map[string]map[state.Key]*T
	byNode      map[string]map[state.Key]*T
}

func newTable[T any](k kind[T]) *table[T] {
	return &table[T]{k, map[state.Key]*T{}, map[string]map[state.Key]*T{}, map[string]map[state.Key]*T{}}
}

// put gives the row that was there before, nil for none.
func (t *table[T]) put(row *T) *T {
	key := t.key(row)
	old := t.remove(key)
	t.rows[key] = row
	index(t.byNamespace, t.namespace(row), key, row)
	index(t.byNode, t.node(row), key, row)
	return old
}

func (t *table[T]) remove(key state.Key) *T {
	old := t.rows[key]
	if old == nil {
		return nil
	}
	delete(t.rows, key)
	unindex(t.byNamespace, t.namespace(old), key)
	unindex(t.byNode, t.node(old), key)
	return old
}

func index[T any](by map[string]map[state.Key]*T, value string, key state.Key, row *T) {
	if value == "" {
		return
	}
	if by[value] == nil {
		by[value] = map[state.Key]*T{}
	}
	by[value][key] = row
}

func unindex[T any](by map[string]map[state.Key]*T, value string, key state.Key) {
	delete(by[value], key)
	if len(by[value]) == 0 {
		delete(by, value)
	}
}

// change is a row before and after; nil where it is not there.
type change[T any] struct{ old, row *T }

// take makes the table what another is, and gives what that changes, by key.
func (t *table[T]) take(next *table[T]) []change[T] {
	var changes []change[T]
	for _, key := range sorted(t.rows) {
		if next.rows[key] == nil {
			changes = append(changes, change[T]{old: t.remove(key)})
		}
	}
	for _, key := range sorted(next.rows) {
		old, row := t.rows[key], next.rows[key]
		if old != nil && reflect.DeepEqual(old, row) {
			continue
		}
		changes = append(changes, change[T]{t.put(row), row})
	}
	return changes
}

func sorted[T any](rows map[state.Key]*T) []state.Key {
	return slices.SortedFunc(maps.Keys(rows), state.Key.Compare)
}

func values[T any](rows map[state.Key]*T) []*T {
	list := make([]*T, 0, len(rows))
	for _, key := range sorted(rows) {
		list = append(list, rows[key])
	}
	return list
}

// Lister reads the rows of one kind in a Cache, in the order in which the API lists
// them. Rows are shared, and must not be changed.
type Lister[T any] struct {
	mu    *sync.RWMutex
	table *table[T]
}

// Get is the row of a key; see NodeKey, PodKey, ContainerKey.
func (l Lister[T]) Get(key state.Key) (*T, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	row, ok := l.table.rows[key]
	return row, ok
}

// Len is how many rows there are.
func (l Lister[T]) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.table.rows)
}

// List is all rows.
func (l Lister[T]) List() []*T {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return values(l.table.rows)
}

// InNamespace are the rows of a namespace; of a port that of its Service or pod.
func (l Lister[T]) InNamespace(namespace string) []*T {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return values(l.table.byNamespace[namespace])
}

// OnNode are the rows of a node. A port that is taken on all nodes is one of each.
func (l Lister[T]) OnNode(node string) []*T {
	l.mu.RLock()
	defer l.mu.RUnlock()
	of, all := l.table.byNode[node], l.table.byNode[state.AllNodes]
	if len(all) == 0 || node == state.AllNodes {
		return values(of)
	}
	both := maps.Clone(all)
	maps.Copy(both, of)
	return values(both)
}

// Kinds of rows.
var (
	nodeRows = kind[state.NodeView]{
		key:       func(n *state.NodeView) state.Key { return n.Node.Key() },
		namespace: func(*state.NodeView) string { return "" },
		node:      func(n *state.NodeView) string { return n.Name },
	}
	podRows = kind[state.PodView]{
		key:       func(p *state.PodView) state.Key { return p.Key() },
		namespace: func(p *state.PodView) string { return p.Namespace },
		node:      func(p *state.PodView) string { return p.Node },
	}
	containerRows = kind[state.ContainerView]{
		key:       func(c *state.ContainerView) state.Key { return c.Key() },
		namespace: func(c *state.ContainerView) string { return c.Namespace },
		node:      func(c *state.ContainerView) string { return c.Node },
	}
	portRows = kind[state.PortView]{
		key:       func(p *state.PortView) state.Key { return p.Key() },
		namespace: func(p *state.PortView) string { return p.Namespace },
		node:      func(p *state.PortView) string { return p.Node },
	}
)
