package replay

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/sessiontest"
)

var record = flag.String("record", "", "record a session as this version, instead of replaying the recorded ones")

const (
	name = "prod-eu"
	uid  = "0b6f4c5e-6f0e-4a38-9a53-5f1a3d9c7f11"
	// length is the length of a recording.
	length = time.Minute
)

// registry is a master's registry with the only cluster.
// serve serves a handler over TLS. It returns the pin of its certificate, and a function that ends it.
func serve(t *testing.T, l net.Listener, handler http.Handler) (pin string, stop func()) {
	t.Helper()
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), name, name)
	if err != nil {
		t.Fatal(err)
	}
	config.SessionTicketsDisabled = true
	server := &http.Server{Handler: handler, TLSConfig: config, Protocols: new(http.Protocols), ReadHeaderTimeout: time.Minute}
	server.Protocols.SetHTTP1(true)
	var running sync.WaitGroup
	running.Go(func() { _ = server.ServeTLS(l, "", "") })
	return tlsfiles.Pin(config.Certificates[0].Leaf), func() {
		_ = server.Close()
		running.Wait()
	}
}

// startMaster starts the sessions of a master whose agent is behind a listener. The master asks for a summary at once.
func startMaster(key ed25519.PrivateKey, pin string, front *memconn.Listener) (sessions *session.Sessions, stop func()) {
	sessions = session.New(session.Config{
		Registry: sessiontest.NewRegistry(session.Cluster{
			Name: name, Generation: 1, Endpoint: "wss://10.20.0.7:7443", TLS: dial.TLS{PinnedSHA256: []string{pin}},
			RequestPeriod: 5 * time.Second, SessionDuration: 30 * time.Minute, CacheTTL: 10 * time.Second, IdleRefresh: 5 * time.Minute,
		}),
		Signer: token.NewSigner(key), Log: slog.New(slog.DiscardHandler),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return front.Dial(ctx) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sessions.Run(ctx) }()
	sessions.Sync(name)
	return sessions, func() {
		cancel()
		<-ended
	}
}

// read reads the cluster like a client, from the tenth second on, and returns the objects of the last report.
func read(t *testing.T, sessions *session.Sessions, meanwhile func(second int)) map[string]json.RawMessage {
	t.Helper()
	for second := 10; second < int(length/time.Second); second += 10 {
		<-time.After(10 * time.Second)
		meanwhile(second)
		r, err := sessions.Await(t.Context(), name)
		if err != nil {
			t.Fatalf("second %d: %v", second, err)
		}
		if r.UID != uid || r.Cluster != name {
			t.Fatalf("second %d: got cluster %s with UID %s", second, r.Cluster, r.UID)
		}
	}
	<-time.After(6 * time.Second)
	r, ok := sessions.LastReport(name)
	if !ok {
		t.Fatal("the master has no report")
	}
	s, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string]json.RawMessage{}
	for kind := range state.NumKinds {
		for e := range s.Entries(kind) {
			content, err := json.Marshal(e.Object)
			if err != nil {
				t.Fatal(err)
			}
			key := strings.TrimPrefix(fmt.Sprintf("%T %v", e.Object, e.Object.Key()), "*state.")
			objects[key] = content
			if used := s.Usage.Of(e.Slot); used != nil && (kind == state.KindNode || kind == state.KindContainer) {
				if objects["Usage of "+key], err = json.Marshal(used); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return objects
}

func TestRecordSession(t *testing.T) {
	if *record == "" {
		return // only with -record VERSION
	}
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		back, front := memconn.Listen(64<<10), memconn.Listen(64<<10)
		snap := snapshot.New(1)
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { _ = snap.Run(ctx) })
		agent := report.New(report.Config{
			ClusterName: name, AgentVersion: *record, Store: snap, Verifier: token.NewVerifier(name, key.Public().(ed25519.PublicKey)),
			Identity:         func() (string, string, bool) { return uid, "v1.36.3", true },
			MinRequestPeriod: time.Second, MaxSession: time.Hour, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
			Unbound: true, // the recorder is between the two
		})
		_, stopAgent := serve(t, back, agent)
		update(snap, 0)
		for i := range state.NumSections {
			snap.SetSection(i, state.SectionStatus{Live: true})
		}
		client := &http.Client{Transport: &http.Transport{
			DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				c, err := back.Dial(ctx)
				if err != nil {
					return nil, err
				}
				return tls.Client(c, &tls.Config{InsecureSkipVerify: true}), nil
			},
		}}
		recorder := &recorder{dial: func(ctx context.Context, header http.Header) (*websocket.Conn, error) {
			conn, _, err := websocket.Dial(ctx, "wss://agent"+wire.Path, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header, Subprotocols: []string{wire.Subprotocol}})
			return conn, err
		}}
		pin, stopRecorder := serve(t, front, recorder)
		sessions, stopMaster := startMaster(key, pin, front)
		r := &recording{Version: *record}
		r.Objects = read(t, sessions, func(second int) { update(snap, second) })
		stopMaster()
		_ = agent.Shutdown(ctx)
		stopRecorder()
		stopAgent()
		client.CloseIdleConnections()
		cancel()
		running.Wait()
		r.Connections = recorder.connections
		r.write(t)
	})
}

func TestMasterAcceptsAgentsOfReleasedVersions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("testdata has no recording")
	}
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			r := readRecording(t, file)
			synctest.Test(t, func(t *testing.T) {
				front := memconn.Listen(64 << 10)
				player := &player{connections: r.Connections}
				pin, stop := serve(t, front, player)
				sessions, stopMaster := startMaster(key, pin, front)
				got := read(t, sessions, func(int) {})
				stopMaster()
				stop()
				player.mu.Lock()
				defer player.mu.Unlock()
				if len(player.connections) > 0 || len(player.errs) > 0 {
					t.Errorf("%d connections were not opened; errors: %v", len(player.connections), player.errs)
				}
				compare(t, got, r.Objects)
			})
		})
	}
}

// compare compares the objects. Fields that were added since are ignored; a field must not change or disappear.
func compare(t *testing.T, got, want map[string]json.RawMessage) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %d objects, want %d", len(got), len(want))
	}
	for key, recorded := range want {
		var g, w any
		if err := json.Unmarshal(recorded, &w); err != nil {
			t.Fatal(err)
		}
		if got[key] == nil {
			t.Errorf("no %s, want %s", key, recorded)
			continue
		}
		if err := json.Unmarshal(got[key], &g); err != nil {
			t.Fatal(err)
		}
		if !includes(g, w) {
			t.Errorf("%s: got %s, want %s", key, got[key], recorded)
		}
	}
}

// includes reports whether got has all of want.
func includes(got, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		for key := range w {
			ok = ok && includes(g[key], w[key])
		}
		return ok
	case []any:
		g, ok := got.([]any)
		ok = ok && len(g) == len(w)
		for i := range w {
			ok = ok && includes(g[i], w[i])
		}
		return ok
	default:
		return reflect.DeepEqual(got, want)
	}
}
