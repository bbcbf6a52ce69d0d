package columnar

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// tables has the values that the columns of a message refer to: strings, resources and the time
// base. An encoder fills them; a decoder reads them from the message.
type tables struct {
	writing  bool
	timeBase state.Time
	// strings and resources are the tables. stringIndexes and resourceIndexes have the index of
	// each entry when writing.
	strings         []string
	resources       []state.Resources
	stringIndexes   map[string]int64
	resourceIndexes map[plainResources]int64
	// uids has the UIDs of the rows, 16 bytes each: those written so far, or those not read yet.
	uids []byte
	// hostIPs has the host IP of the last pod of the chunk on each node.
	hostIPs map[string]string
	// comparing is set while objects are encoded only to find the changed columns. Values are then
	// independent of other fields and rows.
	comparing bool
	// hasTimes is set if the chunk has a time.
	hasTimes bool
	// listElements is the number of list elements in the chunk.
	listElements int
	// size is the approximate size of the strings and resources written so far, in bytes.
	size int
	// err is the first error.
	err error
}

// plainResources are Resources without extended ones. Only these are deduplicated, as extended
// ones are rare.
type plainResources struct{ cpu, memory, storage, pods int64 }

func (t *tables) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// stringIndex returns the index of a string in the table and adds it if it is new.
func (t *tables) stringIndex(s string) int64 {
	if n, ok := t.stringIndexes[s]; ok {
		return n
	}
	text := state.TruncateText(s, MaxString)
	t.strings = append(t.strings, text)
	t.size += len(text) + 2
	n := int64(len(t.strings) - 1)
	t.stringIndexes[s] = n
	return n
}

func (t *tables) stringAt(n int64) string {
	if n < 0 || n >= int64(len(t.strings)) {
		t.fail("string index %d is out of range of %d", n, len(t.strings))
		return ""
	}
	return t.strings[n]
}

func (t *tables) resourcesIndex(r state.Resources) int64 {
	plain := plainResources{r.CPUMillis, r.MemoryBytes, r.EphemeralStorageBytes, r.Pods}
	if len(r.Extended) == 0 {
		if n, ok := t.resourceIndexes[plain]; ok {
			return n
		}
		t.resourceIndexes[plain] = int64(len(t.resources))
	}
	t.resources = append(t.resources, r)
	t.size += 16
	return int64(len(t.resources) - 1)
}

func (r *tableCodec) stringRef(values *[]int64, field *string) {
	switch c := r.field(values); {
	case c == nil:
	case r.writing && !c.absolute && r.strings[c.last] == *field:
		// Neighboring rows often have the same string, and comparing is cheaper than a map lookup.
		c.write(c.last)
	case r.writing:
		c.write(r.stringIndex(*field))
	default:
		*field = r.stringAt(c.read())
	}
}

// uid converts a UID. The column has 1 if there is one; its bytes are stored in uids.
func (r *tableCodec) uid(values *[]int64, field *state.UID) {
	if r.comparing {
		text := field.String()
		r.stringRef(values, &text)
		return
	}
	switch c := r.field(values); {
	case c == nil:
	case !r.writing:
		*field = state.UID{}
		if c.read() != 0 {
			*field = r.nextUID()
		}
	case field.IsZero():
		c.write(0)
	default:
		c.write(1)
		r.uids = append(r.uids, field[:]...)
		r.size += len(field)
	}
}

// nextUID removes the first UID from uids and returns it.
func (t *tables) nextUID() (uid state.UID) {
	if len(t.uids) < len(uid) {
		t.fail("more rows with a UID than UIDs")
		return uid
	}
	t.uids = t.uids[copy(uid[:], t.uids):]
	return uid
}

// hostIP converts the IP of a pod's node, which usually equals that of the preceding pod on the
// node.
func (r *tableCodec) hostIP(values *[]int64, field *string, node string) {
	if r.patching || r.comparing {
		r.address(values, field)
		return
	}
	if r.hostIPs == nil {
		r.hostIPs = map[string]string{}
	}
	c, last := r.field(values), r.hostIPs[node]
	switch {
	case r.writing && *field == last:
		c.write(0)
	case r.writing:
		c.write(r.addressNumber(*field) + 1)
	default:
		*field = last
		if n := c.read(); n != 0 {
			*field = r.addressAt(n - 1)
		}
	}
	r.hostIPs[node] = *field
}

// timeAfter converts a time that usually follows shortly after another.
func (r *tableCodec) timeAfter(values *[]int64, field *state.Time, other state.Time) {
	if r.patching || r.comparing {
		r.time(values, field)
		return
	}
	c := r.field(values)
	switch {
	case !r.writing:
		*field = 0
		if n := c.read(); n > 0 {
			*field = other + state.Time(n) - 1
		} else if n < 0 {
			*field = other + state.Time(n)
		}
	case *field == 0:
		c.write(0)
	case *field < other:
		c.write(int64(*field - other))
	default:
		c.write(int64(*field-other) + 1)
	}
}

func (r *tableCodec) resourcesRef(values *[]int64, field *state.Resources) {
	switch c := r.field(values); {
	case c == nil:
	case r.writing:
		c.write(r.resourcesIndex(*field))
	default:
		n := c.read()
		if n < 0 || n >= int64(len(r.resources)) {
			r.fail("resources index %d is out of range of %d", n, len(r.resources))
			n = 0
		}
		*field = r.resources[n]
	}
}

func (r *tableCodec) time(values *[]int64, field *state.Time) {
	c := r.field(values)
	switch {
	case c == nil:
	case !r.writing:
		*field = 0
		if n := c.read(); n != 0 {
			*field = r.timeBase + state.Time(n)
		}
	case *field == 0:
		c.write(0)
	default:
		c.write(int64(*field - r.timeBase))
		r.hasTimes = true
	}
}

// address converts an address: an IPv4 address to its bits, any other to a string index.
func (r *tableCodec) address(values *[]int64, field *string) {
	c := r.field(values)
	if c == nil {
		return
	}
	if !r.writing {
		*field = r.addressAt(c.read())
		return
	}
	c.write(r.addressNumber(*field))
}

// addressNumber returns the column value of an address.
func (t *tables) addressNumber(address string) int64 {
	if bits, ok := ipv4(address); ok {
		return int64(bits)<<1 | 1
	}
	return t.stringIndex(address) << 1
}

func (t *tables) addressAt(n int64) string {
	switch {
	case n&1 == 0:
		return t.stringAt(n >> 1)
	case n < 0 || n>>1 > math.MaxUint32:
		t.fail("invalid address %d", n)
		return ""
	}
	bits := uint32(n >> 1)
	return netip.AddrFrom4([4]byte{byte(bits >> 24), byte(bits >> 16), byte(bits >> 8), byte(bits)}).String()
}

// ipv4 returns the bits of an IPv4 address in canonical form; ok is false for other addresses.
func ipv4(s string) (bits uint32, ok bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil || !ip.Is4() {
		return 0, false
	}
	b := ip.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]), true
}

// extended is the name and amount of one extended resource.
type extended struct {
	name   string
	amount int64
}

// resourceRow converts one row of the table resources.
func (r *tableCodec) resourceRow(pb *wirepb.Resources, field *state.Resources) {
	r.startRow()
	r.completeColumn(&pb.CpuMillis, &field.CPUMillis)
	number(r, &pb.MemoryBytes, &field.MemoryBytes, math.MinInt64, math.MaxInt64)
	number(r, &pb.EphemeralStorageBytes, &field.EphemeralStorageBytes, math.MinInt64, math.MaxInt64)
	number(r, &pb.Pods, &field.Pods, math.MinInt64, math.MaxInt64)
	var more []extended
	for _, name := range slices.Sorted(maps.Keys(field.Extended)) {
		more = append(more, extended{name, field.Extended[name]})
	}
	list(r, &pb.Extended, &pb.ExtendedName, &more, 2, func(e *extended) {
		r.stringRef(&pb.ExtendedName, &e.name)
		number(r, &pb.ExtendedAmount, &e.amount, math.MinInt64, math.MaxInt64)
	})
	if r.writing || len(more) == 0 {
		return
	}
	field.Extended = make(map[string]int64, len(more))
	for _, e := range more {
		field.Extended[e.name] = e.amount
	}
}
