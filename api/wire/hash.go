package wire

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"
	"rollcall.dev/rollcall/api/state"
)

// Hash is a sum over objects, mod 2^64. Both ends update it with one addition and one subtraction
// per change.
type Hash uint64

// HashObject returns the summand of one object: the xxhash64 of its kind, protocol, port kind and
// port (two bytes, little endian), of namespace, name, sub, node and address, each preceded by its
// length as a uvarint, and of its change seq (eight bytes, little endian).
func HashObject(k state.Key, seq uint64) Hash {
	var space [256]byte
	b := append(space[:0], byte(k.Kind), byte(k.Protocol), byte(k.PortKind))
	b = binary.LittleEndian.AppendUint16(b, k.Port)
	for _, s := range [...]string{k.Namespace, k.Name, k.Sub, k.Node, k.Address} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return Hash(xxhash.Sum64(binary.LittleEndian.AppendUint64(b, seq)))
}

// HashProblems returns a hash of problems: the xxhash64 over all of them, in order, of severity,
// kind, what, where, the owner's kind and name, message, muted and others, each preceded by its
// length as a uvarint, then of the time and the count as varints.
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

// HashResources returns a hash of the parts of a summary that rarely change: the xxhash64 of the
// agent's version and the cluster's name, UID and version, each preceded by its length as a
// uvarint; of capacity, allocatable, requested and limits; and of the largest free CPU and memory.
// Numbers are varints. Each of the four amounts has CPU in millicores, memory and ephemeral
// storage in bytes, pods, the number of extended resources, and the name and amount of each,
// sorted by name.
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

// HashState returns the hash of all objects of s.
func HashState(s *state.State) Hash {
	var h Hash
	for kind := range state.NumKinds {
		for e := range s.Entries(kind) {
			h += HashObject(e.Object.Key(), e.Seq)
		}
	}
	return h
}

// Apply returns the hash of the State that d leads to from held, where h is the hash of held.
func (h Hash) Apply(held *state.State, d state.Delta) Hash {
	drop := func(k state.Key) {
		if e, ok := held.Get(k); ok {
			h -= HashObject(k, e.Seq)
		}
	}
	for _, e := range d.Upserts {
		k := e.Object.Key()
		drop(k)
		h += HashObject(k, e.Seq)
	}
	for _, k := range d.Removes {
		drop(k)
	}
	return h
}
