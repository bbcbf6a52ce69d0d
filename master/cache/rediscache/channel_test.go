package rediscache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/cachetest"
	"rollcall.dev/rollcall/test/redistest"
)

// listener records what a Cache receives from other masters.
type listener struct {
	mu          sync.Mutex
	messages    []string
	connections int
}

// listen receives messages until the test ends, and waits for the first connection.
func listen(t *testing.T, c *Cache) *listener {
	t.Helper()
	l := &listener{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Receive(ctx, func(sender string, kind byte, payload []byte) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.messages = append(l.messages, fmt.Sprintf("%s %c %s", sender, kind, payload))
		}, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.connections++
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("receive: %v", err)
		}
	})
	l.waitConnections(t, 1)
	return l
}

func (l *listener) waitConnections(t *testing.T, n int) {
	t.Helper()
	cachetest.Eventually(t, fmt.Sprintf("there were %d connections", n), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.connections >= n
	})
}

// waitLast waits until a message is the last one, and returns all messages.
func (l *listener) waitLast(t *testing.T, last string) (all []string) {
	t.Helper()
	cachetest.Eventually(t, "the last message is "+last, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		all = slices.Clone(l.messages)
		return len(all) > 0 && all[len(all)-1] == last
	})
	return all
}

func newHolder(t *testing.T, url string, seed byte, holder string) *Cache {
	t.Helper()
	c := newCache(t, url, seed)
	c.holder = holder
	return c
}

func send(t *testing.T, c *Cache, payload string) {
	t.Helper()
	if err := c.Send(t.Context(), 'k', []byte(payload)); err != nil {
		t.Error(err)
	}
}

func TestMessagesReachTheOtherMastersInOrder(t *testing.T) {
	server := redistest.Start(t)
	a, b := newHolder(t, server.URL(), 1, "a"), newHolder(t, server.URL(), 1, "b")
	ofA, ofB := listen(t, a), listen(t, b)
	var want []string
	for i := range 100 {
		send(t, a, fmt.Sprint(i))
		want = append(want, fmt.Sprintf("a k %d", i))
	}
	if got := ofB.waitLast(t, "a k 99"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	send(t, b, "x")
	if got := ofA.waitLast(t, "b k x"); len(got) != 1 {
		t.Errorf("got %q, want no message of its own", got)
	}
}

func TestMessagesStayInTheirDatabase(t *testing.T) {
	server := redistest.Start(t)
	a, other := newHolder(t, server.URL(), 1, "a"), newHolder(t, server.URL()+"/1", 1, "other")
	b := listen(t, newHolder(t, server.URL(), 1, "b"))
	send(t, other, "x")
	send(t, a, "y")
	if got := b.waitLast(t, "a k y"); len(got) != 1 {
		t.Errorf("got %q, want no message of another database", got)
	}
}

func TestRefusedMessagesAreCounted(t *testing.T) {
	server := redistest.Start(t)
	a, foreign := newHolder(t, server.URL(), 1, "a"), newHolder(t, server.URL(), 2, "foreign")
	receiver := newHolder(t, server.URL(), 1, "b")
	b := listen(t, receiver)
	send(t, foreign, "x")
	m, err := a.nextMessage('k', []byte("y"))
	if err != nil {
		t.Fatal(err)
	}
	altered := append(slices.Clone(m), '!')
	for _, published := range [][]byte{m, m, altered, nil, []byte("hello"), make([]byte, 2*maxPayload)} {
		if err := a.client.Publish(t.Context(), a.channel, published).Err(); err != nil {
			t.Fatal(err)
		}
	}
	send(t, a, "last")
	if got := b.waitLast(t, "a k last"); !slices.Equal(got, []string{"a k y", "a k last"}) {
		t.Errorf("got %q", got)
	}
	for c, want := range map[cause]float64{causeKey: 1, causeReplayed: 1, causeMAC: 1, causeFormat: 2, causeSize: 1, causeTime: 0} {
		if got := testutil.ToFloat64(receiver.recorder.refusedMessages.WithLabelValues(string(c))); got != want {
			t.Errorf("%s: got %v refused messages, want %v", c, got, want)
		}
	}
	if err := a.Send(t.Context(), 'k', make([]byte, maxPayload+1)); err == nil {
		t.Error("a message that is too large was sent")
	}
}

func TestReceiveConnectsAgain(t *testing.T) {
	server := redistest.Start(t)
	a := newHolder(t, server.URL(), 1, "a")
	b := listen(t, newHolder(t, server.URL(), 1, "b"))
	send(t, a, "before")
	b.waitLast(t, "a k before")
	server.Stop()
	if err := a.Send(t.Context(), 'k', nil); !errors.Is(err, cache.ErrUnavailable) {
		t.Errorf("got %v, want that Redis is unavailable", err)
	}
	server.Start()
	b.waitConnections(t, 2)
	cachetest.Eventually(t, "the circuit breaker allows calls", func() bool { return a.Probe(t.Context()) == nil })
	send(t, a, "after")
	b.waitLast(t, "a k after")
}

func TestReceiveConnectsAgainAfterAllClientsAreKilled(t *testing.T) {
	server := redistest.Start(t)
	a := newHolder(t, server.URL(), 1, "a")
	b := listen(t, newHolder(t, server.URL(), 1, "b"))
	if reply, err := server.Do("CLIENT KILL TYPE pubsub"); err != nil || reply != ":1" {
		t.Fatalf("kill: %s, %v", reply, err)
	}
	b.waitConnections(t, 2)
	send(t, a, "after")
	b.waitLast(t, "a k after")
}

func TestMessagesThroughSentinel(t *testing.T) {
	server := redistest.Start(t)
	url := server.Sentinel("rollcall").URL() + "?master_name=rollcall"
	a := newHolder(t, url, 1, "a")
	b := listen(t, newHolder(t, url, 1, "b"))
	send(t, a, "x")
	b.waitLast(t, "a k x")
}

func TestMessagesReachAllNodesOfACluster(t *testing.T) {
	bus := map[*redistest.Server]string{}
	start := func() *redistest.Server {
		_, port, _ := strings.Cut(redistest.FreeAddr(t), ":")
		s := redistest.Start(t, "--cluster-enabled", "yes", "--cluster-port", port)
		bus[s] = port
		return s
	}
	do := func(s *redistest.Server, command string) {
		t.Helper()
		if reply, err := s.Do(command); err != nil || reply != "+OK" {
			t.Fatalf("%s: %s, %v", command, reply, err)
		}
	}
	first, second := start(), start()
	do(first, "CLUSTER ADDSLOTSRANGE 0 8191")
	do(second, "CLUSTER ADDSLOTSRANGE 8192 16383")
	host, port, _ := strings.Cut(second.Addr, ":")
	do(first, fmt.Sprintf("CLUSTER MEET %s %s %s", host, port, bus[second]))
	for _, s := range []*redistest.Server{first, second} {
		cachetest.Eventually(t, "the Redis Cluster accepts writes", func() bool {
			reply, err := s.Do("SET rollcall yes")
			return err == nil && (reply == "+OK" || strings.HasPrefix(reply, "-MOVED"))
		})
	}
	a := newHolder(t, first.URL()+"?cluster=true", 1, "a")
	receiver := newHolder(t, second.URL()+"?cluster=true", 1, "b")
	b := listen(t, receiver)
	send(t, a, "x")
	b.waitLast(t, "a k x")
	// Both nodes pass a message on to a subscriber at either of them.
	for _, s := range []*redistest.Server{first, second} {
		m, err := a.nextMessage('k', []byte(s.Addr))
		if err != nil {
			t.Fatal(err)
		}
		direct := newCache(t, s.URL(), 1)
		if err := direct.client.Publish(t.Context(), a.channel, m).Err(); err != nil {
			t.Fatal(err)
		}
		b.waitLast(t, "a k "+s.Addr)
	}
}
