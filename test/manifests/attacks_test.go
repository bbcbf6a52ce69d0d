package manifests

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attack is an attack on master or agent, during which a caller must get responses.
type attack struct {
	name string
	run  func(*nodeEnvironment)
}

// attacks lists all attacks. Further attacks are added here.
var attacks = []attack{
	{"open connections, at the master", func(env *nodeEnvironment) { env.flood(env.master, size(6000)) }},
	{"open connections, at the agent", func(env *nodeEnvironment) { env.flood(env.agent, size(3000)) }},
	{"invalid tokens", func(env *nodeEnvironment) { env.sendInvalidTokens(size(5000)) }},
	{"expensive PromQL queries", func(env *nodeEnvironment) { env.sendExpensiveQueries(size(400)) }},
	{"an agent whose snapshot is a decompression bomb", (*nodeEnvironment).sendSnapshotBombs},
}

// size returns the size of an attack: n, or a tenth of it with -short, to test the test itself.
func size(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

const (
	// sources is the number of source addresses of an attack.
	sources = 48
	// holdTime is the time for which connections stay open after all have been tried.
	holdTime = 10 * time.Second
)

// source returns source address i of an attack (from TEST-NET-3).
func source(i int) string { return fmt.Sprintf("203.0.113.%d", 1+i%sources) }

// concurrently calls f for 0 to n-1, in 32 goroutines.
func concurrently(n int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}

// flood opens connections from all sources and keeps them open. A third of them send nothing, a third send a request
// without its body, and a third are idle after a request.
func (env *nodeEnvironment) flood(address string, connections int) {
	env.t.Helper()
	conns := make([]net.Conn, connections)
	var opened atomic.Int64
	concurrently(connections, func(i int) {
		ctx, cancel := context.WithTimeout(context.Background(), callerTimeout)
		defer cancel()
		c, err := env.node.DialFrom(ctx, source(i), address)
		if err != nil {
			return
		}
		conns[i] = c
		if i%3 > 0 {
			secured := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			if err := secured.HandshakeContext(ctx); err != nil {
				return
			}
			body := []string{"", "", "Content-Length: 10\r\n"}[i%3]
			if _, err := io.WriteString(secured, "GET /healthz HTTP/1.1\r\nHost: x\r\n"+body+"\r\n"); err != nil {
				return
			}
		}
		opened.Add(1)
	})
	<-time.After(holdTime)
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
	env.t.Logf("opened %d of %d connections", opened.Load(), connections)
	if opened.Load() < int64(connections)/10 {
		env.t.Errorf("got %d of %d connections, want at least a tenth, or there is no attack", opened.Load(), connections)
	}
}

// statuses counts responses by status.
type statuses struct {
	mu       sync.Mutex
	byStatus map[int]int
}

// add counts a response.
func (s *statuses) add(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byStatus == nil {
		s.byStatus = map[int]int{}
	}
	s.byStatus[status]++
}

// sendMany sends requests from all sources at the same time, and returns the number of responses by
// status; status 0 means no response.
func (env *nodeEnvironment) sendMany(n int, request func(i int, client *http.Client) (int, error)) map[int]int {
	env.t.Helper()
	clients := make([]*http.Client, sources)
	for i := range clients {
		clients[i] = env.client(source(i), true)
		defer clients[i].CloseIdleConnections()
	}
	var got statuses
	concurrently(n, func(i int) {
		status, err := request(i, clients[i%sources])
		if err != nil {
			status = 0
		}
		got.add(status)
	})
	env.t.Logf("responses by status: %v", got.byStatus)
	return got.byStatus
}

// sendInvalidTokens sends requests with random tokens.
func (env *nodeEnvironment) sendInvalidTokens(n int) {
	env.t.Helper()
	got := env.sendMany(n, func(_ int, client *http.Client) (int, error) {
		return env.request(client, http.MethodGet, "/api/v1/clusters", rand.Text(), nil)
	})
	if got[http.StatusOK] > 0 || got[http.StatusUnauthorized] == 0 {
		env.t.Errorf("got responses by status %v, want 401 and never 200", got)
	}
}

// sendExpensiveQueries sends queries that are expensive to parse or to evaluate, with the rights of a viewer.
func (env *nodeEnvironment) sendExpensiveQueries(n int) {
	env.t.Helper()
	replaced := "vector(1)"
	for range 26 {
		replaced = "label_replace(" + replaced + `,"a","` + strings.Repeat("$1", 400) + `","a","(.*)")`
	}
	classes := strings.Repeat(`up{a=~"(?:`+strings.Repeat(`\\pL`, 1000)+`){1000}"} or `, 8)
	queries := []string{replaced, classes + "up", "sum_over_time(up[10y:])", strings.Repeat("(", 9000) + "1" + strings.Repeat(")", 9000)}
	got := env.sendMany(n, func(i int, client *http.Client) (int, error) {
		return env.request(client, http.MethodPost, "/prometheus/api/v1/query", env.token, url.Values{"query": {queries[i%len(queries)]}})
	})
	if got[http.StatusOK] > 0 || got[http.StatusBadRequest]+got[http.StatusUnprocessableEntity] == 0 {
		env.t.Errorf("got responses by status %v, want 400 or 422 and never 200", got)
	}
}
