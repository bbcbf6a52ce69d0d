package client

import (
	"encoding/json"
	"errors"

	"rollcall.dev/rollcall/api/state"
)

// errEmptyRow is returned for a row without its required fields.
var errEmptyRow = errors.New("a row lacks its required fields")

// The views embed pointers, which encoding/json leaves nil if none of their fields is
// present. The normalize functions set these pointers, so that the rows are safe to read.

func normalizeNode(n *state.NodeView) error {
	if n.Node == nil {
		return errEmptyRow
	}
	if n.NodeLoad == nil {
		n.NodeLoad = &state.NodeLoad{}
	}
	n.NodeLoad.Node = n.Name
	return nil
}

func normalizePod(p *state.PodView) error {
	if p.Pod == nil {
		return errEmptyRow
	}
	return nil
}

func normalizeContainer(c *state.ContainerView) error {
	if c.Container == nil {
		return errEmptyRow
	}
	if c.ExitCode != nil {
		c.Container.ExitCode = *c.ExitCode
	}
	return nil
}

func normalizePort(p *state.PortView) error {
	if p.Port == nil {
		return errEmptyRow
	}
	return nil
}

// normalize completes the rows of a decoded document. It returns an error if a row is empty.
func normalize(d *Document) error {
	return errors.Join(
		normalizeAll(d.Nodes, normalizeNode), normalizeAll(d.Pods, normalizePod),
		normalizeAll(d.Containers, normalizeContainer), normalizeAll(d.Ports, normalizePort),
	)
}

func normalizeAll[T any](rows []T, normalize func(*T) error) error {
	for i := range rows {
		if err := normalize(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// decodeRow decodes one row.
func decodeRow[T any](data json.RawMessage, normalize func(*T) error) (*T, error) {
	row := new(T)
	if err := json.Unmarshal(data, row); err != nil {
		return nil, err
	}
	return row, normalize(row)
}

// NodeKey returns the key of a node in a Cache. The key of a port is its Key().
func NodeKey(name string) state.Key { return state.Key{Kind: state.KindNode, Name: name} }

// PodKey returns the key of a pod in a Cache.
func PodKey(namespace, name string) state.Key {
	return state.Key{Kind: state.KindPod, Namespace: namespace, Name: name}
}

// ContainerKey returns the key of a container in a Cache.
func ContainerKey(namespace, pod, name string) state.Key {
	return state.Key{Kind: state.KindContainer, Namespace: namespace, Name: pod, Sub: name}
}
