package wire

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"
	"rollcall.dev/rollcall/api/state"
)

// Hash is a sum over objects, mod 2^64, so that either end keeps it up to date
// with one addition and one subtraction a change.
type Hash uint64

// HashOf is one object's part: xxhash64 of its kind, protocol, port kind, port (two
// bytes, little endian), of namespace, name, sub, node and address with their
// lengths as uvarints before them, and of its change seq (eight bytes, little
// endian).
func HashOf(k state.Key, seq uint64) Hash {
	var space [256]byte
	b := append(space[:0], byte(k.Kind), byte(k.Protocol), byte(k.PortKind))
	b = binary.LittleEndian.AppendUint16(b, k.Port)
	for _, s := range [...]string{k.Namespace, k.Name, k.Sub, k.Node, k.Address} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return Hash(xxhash.Sum64(binary.LittleEndian.AppendUint64(b, seq)))
}

// HashProblems returns the xxhash64 of each problem's severity, kind, what, where, kind
// and name of the owner, message, muted and others, with their lengths as uvarints
// before them, and of its time and count as varints, one problem after another.
func HashProblems(problems []state.Problem) uint64 {
	var b []byte
	for _, p := range problems {
		texts := append([]string{p.Severity.String(), p.Kind, p.What, p.Where, p.Owner.Kind, p.Owner.Name, p.Message, p.Muted}, p.Others...)
		for _, s := range texts {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
		b = binary.AppendVarint(b, int64(p.Since))
		b = binary.AppendVarint(b, int64(p.Count))
	}
	return xxhash.Sum64(b)
}

// HashResources returns the xxhash64 of who gives a summary, of its capacity, allocatable,
// requested and limits, and of its largest free CPU and memory. Texts have their length as
// a uvarint before them: agent's version, name, UID and version of the cluster. Each number
// is a varint; each of the four is its CPU in millicores, memory, ephemeral storage in
// bytes, pods, and of the other resources their number, and in the order of their names
// name and value.
func HashResources(i *Identity, s *state.Summary) uint64 {
	var b []byte
	for _, text := range [...]string{i.AgentVersion, i.ClusterName, i.ClusterUID, i.KubernetesVersion} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	for _, r := range [...]*state.Resources{&s.Capacity, &s.Allocatable, &s.Requested, &s.Limits} {
		for _, n := range [...]int64{r.CPUMillis, r.MemoryBytes, r.EphemeralStorageBytes, r.Pods, int64(len(r.Extended))} {
			b = binary.AppendVarint(b, n)
		}
		for _, name := range slices.Sorted(maps.Keys(r.Extended)) {
			b = binary.AppendUvarint(b, uint64(len(name)))
			b = append(b, name...)
			b = binary.AppendVarint(b, r.Extended[name])
		}
	}
	b = binary.AppendVarint(b, s.Fragmentation.CPUMillis)
	b = binary.AppendVarint(b, s.Fragmentation.MemoryBytes)
	return xxhash.Sum64(b)
}

// HashState is the hash of all objects of s.
func HashState(s *state.State) Hash {
	var h Hash
	for kind := range state.NumKinds {
		for e := range s.Entries(kind) {
			h += HashOf(e.Object.Key(), e.Seq)
		}
	}
	return h
}

// After is the hash of held after d, given that h is the hash of held.
func (h Hash) After(held *state.State, d state.Delta) Hash {
	drop := func(k state.Key) {
		if e, ok := held.Get(k); ok {
			h -= HashOf(k, e.Seq)
		}
	}
	for _, e := range d.Upserts {
		k := e.Object.Key()
		drop(k)
		h += HashOf(k, e.Seq)
	}
	for _, k := range d.Removes {
		drop(k)
	}
	return h
}
