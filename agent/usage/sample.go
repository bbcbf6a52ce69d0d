package usage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/api/resource"

	"rollcall.dev/rollcall/api/state"
)

// nodeMetrics and podMetrics have the fields of NodeMetrics and PodMetrics of
// metrics.k8s.io that are used. Lists are decoded item by item, because the whole list of a large
// cluster, with a map of quantities per container, would take more memory than the rest of the
// agent's state.
type nodeMetrics struct {
	Metadata  struct{ Name string }
	Timestamp state.Time
	Usage     amounts
}

type podMetrics struct {
	Metadata   struct{ Namespace, Name string }
	Timestamp  state.Time
	Containers []struct {
		Name  string
		Usage amounts
	}
}

type amounts struct{ CPU, Memory string }

// used returns the sample in millicores and bytes. CPU is rounded up to a millicore, as in
// `kubectl top`. known is false if a quantity or the time cannot be parsed, because unknown usage is not
// the same as a usage of 0.
func (a amounts) used(at state.Time) (used state.Used, known bool) {
	cpu, err := resource.ParseQuantity(a.CPU)
	if err != nil {
		return state.Used{}, false
	}
	memory, err := resource.ParseQuantity(a.Memory)
	return state.Used{CPUMillis: cpu.MilliValue(), MemoryBytes: memory.Value(), SampledAt: at}, err == nil && at != 0
}

// Resources of metrics.k8s.io.
const (
	resourceNodes = "nodes"
	resourcePods  = "pods"
)

// readNodes reads the usage of all nodes.
func readNodes(ctx context.Context, list lister) (state.Reading, error) {
	reading := state.Reading{}
	err := eachItem(ctx, list, resourceNodes, func(m *nodeMetrics) {
		if used, ok := m.Usage.used(m.Timestamp); ok {
			reading[state.Key{Kind: state.KindNode, Name: m.Metadata.Name}] = used
		}
	})
	return reading, err
}

// readContainers reads the usage of all containers.
func readContainers(ctx context.Context, list lister) (state.Reading, error) {
	reading := state.Reading{}
	err := eachItem(ctx, list, resourcePods, func(m *podMetrics) {
		for _, c := range m.Containers {
			if used, ok := c.Usage.used(m.Timestamp); ok {
				reading[state.Key{Kind: state.KindContainer, Namespace: m.Metadata.Namespace, Name: m.Metadata.Name, Sub: c.Name}] = used
			}
		}
	})
	return reading, err
}

// eachItem lists a resource and calls f with each item.
func eachItem[T any](ctx context.Context, list lister, resource string, f func(*T)) error {
	body, err := list(ctx, resource)
	if err != nil {
		return fmt.Errorf("list %s of metrics.k8s.io: %w", resource, err)
	}
	defer body.Close()
	if err := decodeItems(body, f); err != nil {
		return fmt.Errorf("read the list of %s of metrics.k8s.io: %w", resource, err)
	}
	return nil
}

// decodeItems calls f with each element of the array "items" of a JSON object.
func decodeItems[T any](body io.Reader, f func(*T)) error {
	d := json.NewDecoder(body)
	if err := expect(d, json.Delim('{')); err != nil {
		return err
	}
	for d.More() {
		member, err := d.Token()
		if err != nil {
			return err
		}
		if member != "items" {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		if err := decodeArray(d, f); err != nil {
			return err
		}
	}
	return expect(d, json.Delim('}'))
}

// decodeArray calls f with each element of an array. null counts as an empty array.
func decodeArray[T any](d *json.Decoder, f func(*T)) error {
	switch start, err := d.Token(); {
	case err != nil:
		return err
	case start == nil:
		return nil
	case start != json.Delim('['):
		return fmt.Errorf("got %v, want a list of items", start)
	}
	for d.More() {
		var item T
		if err := d.Decode(&item); err != nil {
			return err
		}
		f(&item)
	}
	return expect(d, json.Delim(']'))
}

// expect reads the next token. It returns an error if it is not want.
func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}
