package membership

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/membership/membershiptest"
)

// TestStoppedMasterOwnsNothingUntilItHasRenewed stops a process for a minute, as SIGSTOP does.
func TestStoppedMasterOwnsNothingUntilItHasRenewed(t *testing.T) {
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	v := newView(Member{"a", "a-1"})
	wantOwner := func(d time.Duration, want string) {
		t.Helper()
		v.advance(at(d))
		if got := v.owner("cluster", at(d)); got.Name != want {
			t.Errorf("after %s: got the owner %q, want %q", d, got.Name, want)
		}
	}
	v.advance(start)
	v.readLeases = true
	v.renew(start)
	v.readAt(start)
	wantOwner(0, "a")
	v.observe(Member{"b", "b-1"}, at(time.Second))
	v.others["b"].draining = true // so that this master is the owner
	wantOwner(time.Second, "a")

	// It wakes after a minute, while a request that began before is about to succeed.
	wantOwner(61*time.Second, "")
	v.renew(at(2 * time.Second))
	wantOwner(61*time.Second, "")
	wantOwner(67*time.Second, "") // still without an answer
	v.renew(at(66 * time.Second))
	v.readAt(at(66 * time.Second))
	wantOwner(68*time.Second, "a")
	if !v.others["b"].alive(at(68 * time.Second)) {
		t.Error("the other master, of which nothing could be heard meanwhile, seems dead")
	}
	v.renew(at(74 * time.Second))
	v.readAt(at(74 * time.Second))
	wantOwner(75*time.Second, "a")
	wantOwner(76*time.Second, "a")
	if v.others["b"].alive(at(76 * time.Second)) {
		t.Error("the other master, of which nothing was heard since, seems alive")
	}
}

func TestHandOverMovesAClusterToTheNextMaster(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		before := t.owners(all...)
		const c = "cluster-0"
		first := before[0]
		all[first].HandOver(c)
		t.after(time.Second)
		second := t.ownerOf(c, all...)
		if second == first {
			t.Fatal("the cluster stays")
		}
		if after := t.owners(all...); !slices.Equal(after[1:], before[1:]) {
			t.Error("other clusters moved")
		}
		t.after(time.Minute)
		all[second].HandOver(c)
		t.after(time.Second)
		third := t.ownerOf(c, all...)
		if third == first || third == second {
			t.Fatalf("got the owner %d after %d and %d", third, first, second)
		}
		all[third].HandOver(c)
		t.after(time.Second)
		if got := t.ownerOf(c, all...); got != first {
			t.Errorf("got the owner %d after all have failed, want the first, %d", got, first)
		}
		t.after(handOverTime - time.Minute - 3*time.Second)
		if got := t.ownerOf(c, all...); got != first {
			t.Errorf("got the owner %d when the first may try again, want %d", got, first)
		}
		// A master that has just started does not know what was handed over before.
		all[first].HandOver(c)
		t.after(time.Second)
		changes := all[second].changes()
		t.after(handOverTime)
		if got := t.owners(all...); got != before {
			t.Error("the cluster did not return after ten minutes")
		}
		if all[second].changes() == changes {
			t.Error("OnChange was not called when the time was over")
		}
	}, "a", "b", "c")
}

func TestHandOverWithoutOtherMastersChangesNothing(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		all[0].HandOver("cluster-0")
		t.owners(all...)
	}, "a")
}

func TestHandedOverClustersAreLimited(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		for i := range maxHandedOver + 10 {
			all[0].HandOver(cluster(i))
		}
		t.after(time.Second)
		t.owners(all...)
		all[1].locked(func(v *view, _ time.Time) {
			if n := len(v.others["a"].handedOver); n != maxHandedOver {
				t.Errorf("got %d handed over clusters, want %d", n, maxHandedOver)
			}
		})
	}, "a", "b")
}

func TestMasterWithALinkOwnsTheCluster(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		before := t.owners(all...)
		var names []string
		for c := range clusters {
			names = append(names, cluster(c))
		}
		all[1].AnnounceLinks(names[:60])
		all[2].AnnounceLinks(names[30:60])
		t.after(time.Second)
		after := t.owners(all...)
		for c, owner := range after {
			switch {
			case c < 30 && owner != 1, c >= 30 && c < 60 && owner == 0, c >= 60 && owner != before[c]:
				t.Errorf("%s has the owner %d, before the links %d", cluster(c), owner, before[c])
			}
		}
		late := t.start("d", "d-1")
		t.after(time.Second)
		for c := range 60 {
			if got := t.ownerOf(cluster(c), all[0], all[1], all[2], late); got != after[c] {
				t.Errorf("%s moved to %d when a master without links came", cluster(c), got)
			}
		}
		late.kill()
		all[1].AnnounceLinks(nil)
		all[2].AnnounceLinks(nil)
		t.after(ttl + time.Second)
		if got := t.owners(all...); got != before {
			t.Error("clusters did not return when the links were gone")
		}
	}, "a", "b", "c")
}

func TestManyLinksAreAnnouncedInParts(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		var names []string
		for i := range 3*linksPerPart + 1 {
			names = append(names, cluster(i))
		}
		all[0].AnnounceLinks(names)
		t.after(time.Second)
		for _, name := range []string{names[0], names[len(names)-1]} {
			if got := t.ownerOf(name, all...); got != 0 {
				t.Errorf("%s: got the owner %d, want the master with the link", name, got)
			}
		}
		all[0].AnnounceLinks(make([]string, 2*maxLinks))
		for _, m := range t.network.Sent() {
			if len(m.Payload) > 64<<10 {
				t.Errorf("sent a payload of %d bytes", len(m.Payload))
			}
		}
	}, "a", "b")
}

func TestHostileMessagesChangeNothing(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		before := t.owners(all...)
		send := func(sender string, kind byte, payload []byte) {
			t.network.Publish(membershiptest.Message{Sender: sender, Kind: kind, Payload: payload})
		}
		valid := heartbeat{Name: "x", Known: []string{"a-1", "b-1"}}.encode()
		for n := range valid {
			send("x-1", kindHeartbeat, valid[:n])
		}
		send("x-1", kindHeartbeat, heartbeat{Name: "x"}.encode())                                                     // sent before the others have started
		send("x-1", kindHeartbeat, heartbeat{Name: "", Known: []string{"a-1", "b-1"}}.encode())                       // no name
		send("x-1", kindHeartbeat, heartbeat{Name: strings.Repeat("x", 254), Known: []string{"a-1"}}.encode())        // too long a name
		send("x-1", kindHeartbeat, heartbeat{Name: "x", Known: slices.Repeat([]string{"a-1"}, maxKnown+1)}.encode())  // too many
		send("x-1", kindHeartbeat, heartbeat{Name: "x", Known: []string{"a-1", strings.Repeat("x", 65)}}.encode())    // too long an ID
		send("x-1", kindHeartbeat, append([]byte(`{"name":"x","known":["a-1","b-1"],"x":"`), make([]byte, 1<<20)...)) // too large
		for _, kind := range []byte{kindLinks, kindHandOvers, kindWants, 0, 255} {
			for n := range 100 {
				send("b-1", kind, make([]byte, n))
				send("b-1", kind, binary.BigEndian.AppendUint64(make([]byte, n), 1<<63))
			}
			send("unknown", kind, encodeLinks(1, []uint64{hash("cluster-0")})[0])
		}
		for i := range 2_000 {
			send(fmt.Sprint(i), kindHeartbeat, heartbeat{Name: fmt.Sprint(i)}.encode())
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		t.after(time.Second)
		if got := t.owners(all...); got != before {
			t.Error("owners changed")
		}
		all[0].locked(func(v *view, _ time.Time) {
			if len(v.heard) > maxKnown {
				t.Errorf("%d senders are remembered, want at most %d", len(v.heard), maxKnown)
			}
		})
		t.after(time.Minute)
		if got := t.owners(all...); got != before {
			t.Error("owners changed")
		}
	}, "a", "b")
}

func TestKnownMastersAreLimited(t *testing.T) {
	v := newView(Member{"a", "a-1"})
	now := time.Now()
	v.advance(now)
	for i := range 2 * maxMembers {
		now = now.Add(time.Millisecond)
		v.observe(Member{fmt.Sprint(i), fmt.Sprint(i)}, now)
	}
	for i := range 2 * maxReplaced {
		v.observe(Member{"511", fmt.Sprint("again-", i)}, now)
	}
	if len(v.others) != maxMembers || v.others["511"] == nil || len(v.others["511"].replaced) != maxReplaced {
		t.Errorf("got %d masters", len(v.others))
	}
}

func FuzzMessages(f *testing.F) {
	for _, kind := range []byte{kindHeartbeat, kindLinks, kindHandOvers, kindWants} {
		f.Add(kind, heartbeat{Name: "b", Known: []string{"a-1"}}.encode())
		f.Add(kind, encodeLinks(7, []uint64{1, 2, 3})[0])
		f.Add(kind, []byte(`[{"cluster":"a","ms":1000}]`))
	}
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		m := New(Config{Name: "a", Incarnation: "a-1", OnWant: func(cluster string, d time.Duration) {
			if cluster == "" || d <= 0 || d > maxWant {
				t.Errorf("got a want of %q for %s", cluster, d)
			}
		}})
		m.handle("b-1", kindHeartbeat, heartbeat{Name: "b", Known: []string{"a-1"}}.encode())
		m.handle("b-1", kind, payload)
		if b := m.view.of("b-1", time.Now()); b != nil && (len(b.links) > maxLinks || len(b.handedOver) > maxHandedOver) {
			t.Errorf("got %d links and %d handed over clusters", len(b.links), len(b.handedOver))
		}
	})
}
