package client

import (
	"maps"
	"reflect"
	"slices"
	"sync"

	"rollcall.dev/rollcall/api/state"
)

// rowType has the accessors of a type of row.
type rowType[T any] struct {
	key       func(*T) state.Key
	namespace func(*T) string
	node      func(*T) string
}

// table holds the rows of one type, with indexes. Rows are immutable.
type table[T any] struct {
	rowType[T]
	rows        map[state.Key]*T
	byNamespace map[string]map[state.Key]*T
	byNode      map[string]map[state.Key]*T
}

func newTable[T any](rows rowType[T]) *table[T] {
	return &table[T]{rows, map[state.Key]*T{}, map[string]map[state.Key]*T{}, map[string]map[state.Key]*T{}}
}

// put adds or replaces a row. It returns the previous row, or nil if there was none.
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

// change is a row before and after a change; nil if it does not exist.
type change[T any] struct{ old, row *T }

// replace makes the table equal to next. It returns the changes, sorted by key: deleted
// rows first.
func (t *table[T]) replace(next *table[T]) []change[T] {
	var changes []change[T]
	for _, key := range sortedKeys(t.rows) {
		if next.rows[key] == nil {
			changes = append(changes, change[T]{old: t.remove(key)})
		}
	}
	for _, key := range sortedKeys(next.rows) {
		old, row := t.rows[key], next.rows[key]
		if old != nil && reflect.DeepEqual(old, row) {
			continue
		}
		changes = append(changes, change[T]{t.put(row), row})
	}
	return changes
}

func sortedKeys[T any](rows map[state.Key]*T) []state.Key {
	return slices.SortedFunc(maps.Keys(rows), state.Key.Compare)
}

func sortedRows[T any](rows map[state.Key]*T) []*T {
	list := make([]*T, 0, len(rows))
	for _, key := range sortedKeys(rows) {
		list = append(list, rows[key])
	}
	return list
}

// Lister reads the rows of one type in a Cache, in the order of the API's lists. Rows are
// shared, and must not be modified.
type Lister[T any] struct {
	mu    *sync.RWMutex
	table *table[T]
}

// Get returns the row of a key; see NodeKey, PodKey and ContainerKey.
func (l Lister[T]) Get(key state.Key) (*T, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	row, ok := l.table.rows[key]
	return row, ok
}

// Len returns the number of rows.
func (l Lister[T]) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.table.rows)
}

// List returns all rows.
func (l Lister[T]) List() []*T {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return sortedRows(l.table.rows)
}

// InNamespace returns the rows in a namespace. The namespace of a port is that of its
// Service or pod.
func (l Lister[T]) InNamespace(namespace string) []*T {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return sortedRows(l.table.byNamespace[namespace])
}

// OnNode returns the rows of a node, including ports that are taken on all nodes.
func (l Lister[T]) OnNode(node string) []*T {
	l.mu.RLock()
	defer l.mu.RUnlock()
	own, all := l.table.byNode[node], l.table.byNode[state.AllNodes]
	if len(all) == 0 || node == state.AllNodes {
		return sortedRows(own)
	}
	both := maps.Clone(all)
	maps.Copy(both, own)
	return sortedRows(both)
}

// The types of rows.
var (
	nodeRows = rowType[state.NodeView]{
		key:       func(n *state.NodeView) state.Key { return n.Node.Key() },
		namespace: func(*state.NodeView) string { return "" },
		node:      func(n *state.NodeView) string { return n.Name },
	}
	podRows = rowType[state.PodView]{
		key:       func(p *state.PodView) state.Key { return p.Key() },
		namespace: func(p *state.PodView) string { return p.Namespace },
		node:      func(p *state.PodView) string { return p.Node },
	}
	containerRows = rowType[state.ContainerView]{
		key:       func(c *state.ContainerView) state.Key { return c.Key() },
		namespace: func(c *state.ContainerView) string { return c.Namespace },
		node:      func(c *state.ContainerView) string { return c.Node },
	}
	portRows = rowType[state.PortView]{
		key:       func(p *state.PortView) state.Key { return p.Key() },
		namespace: func(p *state.PortView) string { return p.Namespace },
		node:      func(p *state.PortView) string { return p.Node },
	}
)
