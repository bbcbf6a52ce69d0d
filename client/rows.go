package client

import (
	"encoding/json"
	"errors"

	"rollcall.dev/rollcall/api/state"
)

// errRow says that a row cannot be used.
var errRow = errors.New("a row has none of the fields that every row has")

// The views embed pointers, which JSON leaves nil where none of their fields is there.
// What is mended here is safe to read.

func mendNode(n *state.NodeView) error {
	if n.Node == nil {
		return errRow
	}
	if n.NodeLoad == nil {
		n.NodeLoad = &state.NodeLoad{}
	}
	n.NodeLoad.Node = n.Name
	return nil
}

func mendPod(p *state.PodView) error {
	if p.Pod == nil {
		return errRow
	}
	return nil
}

func mendContainer(c *state.ContainerView) error {
	if c.Container == nil {
		return errRow
	}
	if c.ExitCode != nil {
		c.Container.ExitCode = *c.ExitCode
	}
	return nil
}

func mendPort(p *state.PortView) error {
	if p.Port == nil {
		return errRow
	}
	return nil
}

func (d *Document) mend() error {
	return errors.Join(
		mendAll(d.Nodes, mendNode), mendAll(d.Pods, mendPod),
		mendAll(d.Containers, mendContainer), mendAll(d.Ports, mendPort),
	)
}

func mendAll[T any](rows []T, mend func(*T) error) error {
	for i := range rows {
		if err := mend(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// decodeRow reads one row.
func decodeRow[T any](text json.RawMessage, mend func(*T) error) (*T, error) {
	row := new(T)
	if err := json.Unmarshal(text, row); err != nil {
		return nil, err
	}
	return row, mend(row)
}

// NodeKey is a node's key in a Cache. That of a port is its own Key().
func NodeKey(name string) state.Key { return state.Key{Kind: state.KindNode, Name: name} }

// PodKey is a pod's key in a Cache.
func PodKey(namespace, name string) state.Key {
	return state.Key{Kind: state.KindPod, Namespace: namespace, Name: name}
}

// ContainerKey is a container's key in a Cache.
func ContainerKey(namespace, pod, name string) state.Key {
	return state.Key{Kind: state.KindContainer, Namespace: namespace, Name: pod, Sub: name}
}
