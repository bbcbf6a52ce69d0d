package rediscache

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
)

// ring returns a keyring that signs with the key of the first seed, and accepts those of all.
func ring(t testing.TB, seeds ...byte) keyring {
	t.Helper()
	var keys []ed25519.PrivateKey
	for _, s := range seeds {
		keys = append(keys, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{s}, ed25519.SeedSize)))
	}
	k, err := newKeyring(keys[0], keys[1:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// causeOf returns the cause of a refusal, "" if err is nil.
func causeOf(err error) cause {
	var r *refusal
	if errors.As(err, &r) {
		return r.cause
	}
	return ""
}

func TestMessageIsDecodedByMastersWithTheKey(t *testing.T) {
	want := message{counter: 7, sent: 3 * time.Second, kind: 'h', sender: "a", payload: []byte("payload")}
	own, rotating, foreign := ring(t, 1), ring(t, 2, 1), ring(t, 2)
	encoded := own.signing.encodeMessage(want)
	for _, k := range []keyring{own, rotating} {
		got, err := k.decodeMessage(encoded)
		if err != nil || got.counter != want.counter || got.sent != want.sent || got.kind != want.kind || got.sender != want.sender || string(got.payload) != "payload" {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if _, err := foreign.decodeMessage(encoded); causeOf(err) != causeKey {
		t.Errorf("another key: got %v, want cause %s", err, causeKey)
	}
	unsigned, err := newKeyring(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.decodeMessage(unsigned.signing.encodeMessage(want)); causeOf(err) != causeKey {
		t.Errorf("well-known key: got %v, want cause %s", err, causeKey)
	}
}

func TestAlteredMessageIsRefused(t *testing.T) {
	k := ring(t, 1)
	encoded := k.signing.encodeMessage(message{counter: 1, kind: 'h', sender: "master", payload: []byte("payload")})
	for i := range encoded {
		altered := bytes.Clone(encoded)
		altered[i] ^= 1
		if m, err := k.decodeMessage(altered); err == nil {
			t.Errorf("byte %d altered: got %+v, want an error", i, m)
		}
	}
	for n := range encoded {
		if m, err := k.decodeMessage(encoded[:n]); err == nil {
			t.Errorf("cut after %d bytes: got %+v, want an error", n, m)
		}
	}
	if _, err := k.decodeMessage(append(bytes.Clone(encoded), 0)); causeOf(err) != causeMAC {
		t.Errorf("a byte appended: got %v, want cause %s", err, causeMAC)
	}
}

func TestImpossibleMessageIsRefused(t *testing.T) {
	k := ring(t, 1)
	for name, tc := range map[string]struct {
		message message
		want    cause
	}{
		"largest payload":   {message{sender: "a", payload: make([]byte, maxPayload)}, ""},
		"too large payload": {message{sender: "a", payload: make([]byte, maxPayload+1)}, causeSize},
		"far too large":     {message{sender: "a", payload: make([]byte, 2*maxPayload)}, causeSize},
		"no sender":         {message{}, causeFormat},
		"longest sender":    {message{sender: strings.Repeat("a", maxSenderLen)}, ""},
		"too long a sender": {message{sender: strings.Repeat("a", maxSenderLen+1)}, causeFormat},
		"impossible time":   {message{sender: "a", sent: maxUptime + time.Hour}, causeTime},
	} {
		if _, err := k.decodeMessage(k.signing.encodeMessage(tc.message)); causeOf(err) != tc.want {
			t.Errorf("%s: got %v, want cause %q", name, err, tc.want)
		}
	}
}

func TestRepeatedMessageIsRefused(t *testing.T) {
	var g replayGuard
	check := func(sender string, counter uint64, want cause) {
		t.Helper()
		if err := g.check(message{sender: sender, counter: counter}, 0); causeOf(err) != want {
			t.Errorf("message %d of %s: got %v, want cause %q", counter, sender, err, want)
		}
	}
	check("a", 0, causeReplayed)
	check("a", 1, "")
	check("a", 1, causeReplayed)
	check("b", 1, "")
	check("a", 3, "")
	check("a", 2, "") // it was overtaken
	check("a", 2, causeReplayed)
	check("a", windowSize+3, "")
	check("a", 3, causeReplayed)
	check("a", 4, "") // the oldest of the window
	check("a", 4, causeReplayed)
	check("a", 1<<63, "")
	check("a", windowSize+4, causeReplayed)
	check("a", 1<<63-windowSize+1, "")
	check("a", 1<<63+1, "")
	check("a", 1<<63, causeReplayed)
}

func TestReplayGuardAcceptsEachCounterOnceInAnyOrder(t *testing.T) {
	var g replayGuard
	accepted := map[uint64]int{}
	for i := range uint64(20_000) {
		// Each block of 64 messages arrives in reverse order, twice.
		counter := i/128*64 + 64 - i%64
		if g.check(message{sender: "a", counter: counter}, 0) == nil {
			accepted[counter]++
		}
	}
	for counter := uint64(1); counter < 9_900; counter++ {
		if accepted[counter] != 1 {
			t.Fatalf("message %d was accepted %d times, want once", counter, accepted[counter])
		}
	}
}

func TestDelayedMessageIsRefused(t *testing.T) {
	var g replayGuard
	counter := uint64(0)
	check := func(sent, now time.Duration, want cause) {
		t.Helper()
		counter++
		if err := g.check(message{sender: "a", counter: counter, sent: sent}, now); causeOf(err) != want {
			t.Errorf("sent at %s, received at %s: got %v, want cause %q", sent, now, err, want)
		}
	}
	// The sender has run for an hour.
	check(time.Hour, time.Second, "")
	check(time.Hour+time.Second, 2*time.Second, "")
	check(time.Hour+2*time.Second, 13*time.Second, "")
	// The receiver was stopped for a minute and reads what arrived meanwhile.
	check(time.Hour+20*time.Second, 80*time.Second, causeTime)
	check(time.Hour+60*time.Second, 80*time.Second, causeTime)
	check(time.Hour+79*time.Second, 80*time.Second, "")
	// The sender's clock was stopped for a minute.
	check(time.Hour+80*time.Second, 141*time.Second, causeTime)
	check(time.Hour+100*time.Second, 161*time.Second, causeTime)
	check(time.Hour+111*time.Second, 172*time.Second, "")
	check(time.Hour+112*time.Second, 173*time.Second, "")
}

func TestReplayGuardForgetsTheMasterNotHeardForLongest(t *testing.T) {
	var g replayGuard
	id := func(i int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(i))) }
	for i := range maxSenders {
		_ = g.check(message{sender: id(i), counter: 1}, time.Duration(i))
	}
	_ = g.check(message{sender: id(0), counter: 2}, maxSenders)
	if err := g.check(message{sender: id(maxSenders), counter: 1}, maxSenders); err != nil {
		t.Error(err)
	}
	if len(g.senders) != maxSenders || g.senders[id(0)] == nil || g.senders[id(1)] != nil {
		t.Errorf("got %d senders, want %d without the one not heard for longest", len(g.senders), maxSenders)
	}
}

// FuzzMessage gives arbitrary bytes to a master with a signing key. It accepts only what was signed.
func FuzzMessage(f *testing.F) {
	k := ring(f, 1)
	valid := k.signing.encodeMessage(message{counter: 1, sent: time.Second, kind: 'h', sender: "a", payload: []byte("payload")})
	f.Add(valid)
	f.Add(ring(f, 2).signing.encodeMessage(message{counter: 1, sender: "a"}))
	f.Add(valid[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := k.decodeMessage(b); (err == nil) != bytes.Equal(b, valid) {
			t.Errorf("got %+v, %v, want only the signed message", m, err)
		}
	})
}
