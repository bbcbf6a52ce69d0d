package replay

import (
	"time"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// update makes the changes of the recorded cluster at a second. Together they use every kind and every field of the
// protocol: objects are added, changed and removed, and samples of usage arrive.
func update(store *snapshot.Store, second int) {
	switch second {
	case 0:
		store.Update(filled(1, 2))
		store.SetUsage(usage(1, 2))
	case 10:
		store.Update(filled(3))
		store.SetUsage(usage(1, 2, 3))
	case 20:
		var c state.Changes
		for _, o := range filled(1).Upserts {
			c.Removes = append(c.Removes, o.Key())
		}
		store.Update(c)
	case 30:
		c := filled(2)
		for _, o := range c.Upserts {
			kind := o.Key().Kind
			for _, field := range statetest.FieldsOutsideKey(kind) {
				statetest.Set(o, field, statetest.Filled(kind, 4))
			}
		}
		store.Update(c)
		store.SetUsage(usage(2, 3))
	}
}

// filled returns objects of each kind with every field set.
func filled(variants ...int) (c state.Changes) {
	for kind := range state.NumKinds {
		for _, variant := range variants {
			c.Upserts = append(c.Upserts, statetest.Filled(kind, variant))
		}
	}
	return c
}

// usage returns samples of the nodes and containers of filled.
func usage(variants ...int) state.Reading {
	reading := state.Reading{}
	for i, variant := range variants {
		for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
			reading[statetest.Filled(kind, variant).Key()] = state.Used{CPUMillis: int64(100 * variant), MemoryBytes: int64(variant) << 20, SampledAt: state.TimeOf(time.Now()) - state.Time(i)}
		}
	}
	return reading
}
