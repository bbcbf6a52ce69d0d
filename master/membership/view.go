package membership

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

const (
	// maxMembers limits the masters that are known, dead ones included.
	maxMembers = 256
	// maxReplaced limits the remembered older incarnations of a master.
	maxReplaced = 16
	// maxHandedOver limits the clusters that a master has handed over at a time.
	maxHandedOver = 4096
)

// hash returns the hash by which a cluster is announced, or by which it ranks a master.
func hash(parts ...string) uint64 {
	h := sha256.New()
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// member is what this master knows about a master.
type member struct {
	Member
	// seen is when its heartbeat or Lease changed last.
	seen     time.Time
	draining bool
	// replaced has its older incarnations.
	replaced []string
	// links has the hashes of the clusters with a link to it, sorted. pending has parts of a newer version.
	links        []uint64
	linksVersion uint64
	pending      map[uint64][]uint64
	pendingOf    uint64
	// handedOver has the hashes of the clusters that it has handed over, and until when.
	handedOver        map[uint64]time.Time
	handedOverVersion uint64
}

// alive reports whether a master other than this one is alive.
func (m *member) alive(now time.Time) bool { return now.Sub(m.seen) < ttl }

// setLinks sets the links, and reports whether they have changed.
func (m *member) setLinks(v *view, links []uint64) bool {
	if slices.Equal(m.links, links) {
		return false
	}
	m.links = links
	m.linksVersion++
	v.changes++
	return true
}

func (m *member) hasLink(cluster uint64) bool {
	_, ok := slices.BinarySearch(m.links, cluster)
	return ok
}

// view is what a master knows about all masters. Its methods are functions of their arguments and the view; the caller
// locks it, and calls advance before them.
type view struct {
	self member
	// others has the other masters by name.
	others map[string]*member
	// heard has the incarnations of which a message has arrived, and when.
	heard map[string]time.Time
	// changes counts changes that may change an owner.
	changes uint64

	started bool
	// now is the time of the last call of advance.
	now time.Time
	// renewed is when the last request began that showed others that this master is alive.
	renewed time.Time
	// pausedAt is when it was noticed that the process was stopped for longer than ttl. It is zero after the next renewal.
	pausedAt time.Time
	// read is when Leases or Redis were last reached. readLeases reports whether the Leases were ever listed.
	read       time.Time
	readLeases bool
	// subscribed is when messages of others began to arrive.
	subscribed time.Time
	// replaced reports whether another process has taken the Lease.
	replaced bool
}

func newView(self Member) view {
	return view{self: member{Member: self, handedOver: map[uint64]time.Time{}}, others: map[string]*member{}, heard: map[string]time.Time{}}
}

// advance moves the view to the current time. Without it, all others would seem dead after this process was stopped, or
// while this master cannot hear of them.
func (v *view) advance(now time.Time) {
	if !v.started {
		v.started, v.now, v.read = true, now, now
		return
	}
	paused := now.Sub(v.now) >= ttl
	if paused {
		v.pausedAt = now
	}
	if paused || v.frozen(now) {
		for _, m := range v.others {
			if m.alive(v.now) {
				m.seen = now
			}
		}
	}
	v.now = now
}

// frozen reports whether this master cannot hear of others.
func (v *view) frozen(now time.Time) bool { return now.Sub(v.read) >= freezeAfter }

// connected records that messages of others arrive from now on.
func (v *view) connected(now time.Time) {
	if v.subscribed.IsZero() {
		v.subscribed = now
	}
}

// sent records that a heartbeat was sent by a request that began at start.
func (v *view) sent(start time.Time) {
	v.renew(start)
	if !v.subscribed.IsZero() {
		v.readAt(start)
	}
}

// renew records that others can see that this master was alive at start.
func (v *view) renew(start time.Time) {
	if start.After(v.renewed) {
		v.renewed = start
	}
	if !start.Before(v.pausedAt) && !v.pausedAt.IsZero() {
		v.pausedAt = time.Time{}
		v.changes++
	}
}

func (v *view) readAt(start time.Time) {
	if start.After(v.read) {
		v.read = start
	}
}

// valid reports whether this master may own clusters.
func (v *view) valid(now time.Time) bool {
	settled := v.readLeases || !v.subscribed.IsZero() && now.Sub(v.subscribed) >= settleTime
	seen := !v.renewed.IsZero() && (now.Sub(v.renewed) < ttl || v.frozen(now))
	return settled && seen && v.pausedAt.IsZero() && !v.replaced && !v.self.draining
}

// candidates returns the masters that may own clusters.
func (v *view) candidates(now time.Time) []*member {
	all := make([]*member, 0, 1+len(v.others))
	if v.valid(now) {
		all = append(all, &v.self)
	}
	for _, m := range v.others {
		if m.alive(now) && !m.draining {
			all = append(all, m)
		}
	}
	return all
}

// owner returns the owner of a cluster.
func (v *view) owner(cluster string, now time.Time) (owner Member) {
	id := hash(cluster)
	var best claim
	for _, m := range v.candidates(now) {
		c := claim{linked: m.hasLink(id), keeps: !now.Before(m.handedOver[id]), rank: hash(cluster, m.Name)}
		if owner == (Member{}) || c.beats(best) {
			owner, best = m.Member, c
		}
	}
	return owner
}

// claim has what decides which of the candidates owns a cluster, the most important first.
type claim struct {
	linked, keeps bool
	rank          uint64
}

func (c claim) beats(o claim) bool {
	switch {
	case c.linked != o.linked:
		return c.linked
	case c.keeps != o.keeps:
		return c.keeps
	}
	return c.rank > o.rank
}

// handOver records that this master hands a cluster over. It reports whether that is to be announced.
func (v *view) handOver(cluster uint64, now time.Time) bool {
	maps.DeleteFunc(v.self.handedOver, func(_ uint64, until time.Time) bool { return !now.Before(until) })
	if len(v.self.handedOver) >= maxHandedOver {
		return false
	}
	v.self.handedOver[cluster] = now.Add(handOverTime)
	v.self.handedOverVersion++
	v.changes++
	return true
}

func (v *view) drain() {
	v.self.draining = true
	v.changes++
}

// observe records that a master is alive. It returns nil if the incarnation was replaced, and whether it is new.
func (v *view) observe(who Member, now time.Time) (m *member, isNew bool) {
	if who.Name == v.self.Name {
		return nil, false // the Lease decides which process has the name
	}
	m = v.others[who.Name]
	if m == nil {
		v.forgetOldest()
		m = &member{Member: who}
		v.others[who.Name] = m
		isNew = true
	}
	if m.Incarnation != who.Incarnation {
		if slices.Contains(m.replaced, who.Incarnation) {
			return nil, false
		}
		older := append(m.replaced, m.Incarnation)
		*m = member{Member: who, replaced: older[max(0, len(older)-maxReplaced):]}
		isNew = true
	}
	isNew = isNew || !m.alive(now)
	m.seen = now
	if isNew {
		v.changes++
	}
	return m, isNew
}

// forgetOldest makes room for another master.
func (v *view) forgetOldest() {
	if len(v.others) < maxMembers {
		return
	}
	oldest := slices.MinFunc(slices.Collect(maps.Values(v.others)), func(a, b *member) int { return a.seen.Compare(b.seen) })
	delete(v.others, oldest.Name)
	v.changes++
}

// announcement is a message that is sent again after a while.
type announcement struct {
	kind    byte
	payload []byte
}

// announcements returns the links of this master, and the clusters that it has handed over.
func (v *view) announcements(now time.Time) (all []announcement) {
	if v.self.linksVersion > 0 {
		for _, part := range encodeLinks(v.self.linksVersion, v.self.links) {
			all = append(all, announcement{kindLinks, part})
		}
	}
	if v.self.handedOverVersion > 0 {
		all = append(all, announcement{kindHandOvers, encodeHandOvers(v.self.handedOverVersion, v.self.handedOver, now)})
	}
	return all
}

// of returns the living master with an incarnation, nil if there is none.
func (v *view) of(incarnation string, now time.Time) *member {
	for _, m := range v.others {
		if m.Incarnation == incarnation && m.alive(now) {
			return m
		}
	}
	return nil
}

// heartbeat returns the heartbeat of this master.
func (v *view) heartbeat(now time.Time) heartbeat {
	h := heartbeat{Name: v.self.Name, Draining: v.self.draining}
	for _, m := range v.others {
		if m.alive(now) {
			h.Known = append(h.Known, m.Incarnation)
		}
	}
	slices.Sort(h.Known)
	for incarnation := range v.heard {
		if !slices.Contains(h.Known, incarnation) {
			h.Known = append(h.Known, incarnation)
		}
	}
	h.Known = h.Known[:min(len(h.Known), maxKnown)]
	return h
}

// receiveHeartbeat records a heartbeat. reply reports whether the sender should get one now, isNew whether it has come
// alive.
func (v *view) receiveHeartbeat(sender string, h heartbeat, now time.Time) (reply, isNew bool) {
	if !v.hear(sender, now) {
		return false, false
	}
	if !slices.Contains(h.Known, v.self.Incarnation) {
		return true, false
	}
	m, isNew := v.observe(Member{h.Name, sender}, now)
	if m == nil {
		return false, false
	}
	if m.draining != h.Draining {
		m.draining = h.Draining
		v.changes++
	}
	return isNew, isNew
}

// hear records that a message of an incarnation has arrived. It returns false if there are too many.
func (v *view) hear(incarnation string, now time.Time) bool {
	maps.DeleteFunc(v.heard, func(_ string, at time.Time) bool { return now.Sub(at) >= ttl })
	if _, ok := v.heard[incarnation]; !ok && len(v.heard) >= maxKnown {
		return v.of(incarnation, now) != nil
	}
	v.heard[incarnation] = now
	return true
}

// receiveLinks records a part of the links of a master.
func (v *view) receiveLinks(sender string, part linksPart, now time.Time) {
	m := v.of(sender, now)
	if m == nil || part.version <= m.linksVersion || part.version < m.pendingOf {
		return
	}
	if part.version > m.pendingOf {
		m.pending, m.pendingOf = map[uint64][]uint64{}, part.version
	}
	m.pending[part.number] = part.links
	if uint64(len(m.pending)) < part.parts {
		return
	}
	var links []uint64
	for _, number := range slices.Sorted(maps.Keys(m.pending)) {
		links = append(links, m.pending[number]...)
	}
	slices.Sort(links)
	m.links, m.linksVersion, m.pending = links, part.version, nil
	v.changes++
}

// receiveHandOvers records which clusters a master has handed over.
func (v *view) receiveHandOvers(sender string, h handOvers, now time.Time) {
	m := v.of(sender, now)
	if m == nil || h.version <= m.handedOverVersion {
		return
	}
	m.handedOver, m.handedOverVersion = map[uint64]time.Time{}, h.version
	for cluster, left := range h.left {
		m.handedOver[cluster] = now.Add(left)
	}
	v.changes++
}

// summary has everything by which owners are chosen, for comparison.
type summary struct {
	candidates       []Member
	frozen, replaced bool
	changes          uint64
	// handedOver is the number of clusters that are handed over at the time: some may have expired.
	handedOver int
}

func (s summary) equal(o summary) bool {
	return slices.Equal(s.candidates, o.candidates) && s.frozen == o.frozen && s.replaced == o.replaced && s.changes == o.changes && s.handedOver == o.handedOver
}

func (v *view) summarize(now time.Time) summary {
	s := summary{frozen: v.frozen(now), replaced: v.replaced, changes: v.changes}
	for _, m := range v.candidates(now) {
		s.candidates = append(s.candidates, m.Member)
		for _, until := range m.handedOver {
			if now.Before(until) {
				s.handedOver++
			}
		}
	}
	slices.SortFunc(s.candidates, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	return s
}
