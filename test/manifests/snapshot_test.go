package manifests

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"

	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/api/wire/wirepb"
	"rollcall.dev/rollcall/test/fake"
)

const (
	// hostile is the cluster of the malicious agent.
	hostile = "hostile"
	// attackTime is the duration of requests for the hostile cluster.
	attackTime = 30 * time.Second
)

// hostileAgent responds to each dial of a master with a snapshot of a few kB that decompresses to
// gigabytes.
type hostileAgent struct {
	frames [][]byte
	dials  atomic.Int64
}

// sendSnapshotBombs registers a hostile agent and requests its cluster again and again.
func (env *nodeEnvironment) sendSnapshotBombs() {
	env.t.Helper()
	listener, err := env.node.Listen(env.t.Context(), net.JoinHostPort(source(0), "0"))
	if err != nil {
		env.t.Fatal(err)
	}
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), hostile, hostile)
	if err != nil {
		env.t.Fatal(err)
	}
	agent := &hostileAgent{frames: emptyContainers(env)}
	server := &http.Server{Handler: agent, TLSConfig: config, Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	server.Protocols.SetHTTP1(true)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.ServeTLS(listener, "", "")
	}()
	defer func() {
		_ = server.Close()
		<-served
	}()
	registration := fmt.Sprintf("apiVersion: rollcall.dev/v1alpha1\nkind: ClusterAgent\nmetadata: {name: %s}\nspec: {endpoint: 'wss://%s', tls: {pinnedSHA256: [%s]}}\n",
		hostile, listener.Addr(), tlsfiles.Pin(config.Certificates[0].Leaf))
	if out, err := env.node.Cluster.KubectlInput(registration, "apply", "-f", "-"); err != nil {
		env.t.Fatalf("%v\n%s", err, out)
	}
	client := env.client("", true)
	defer client.CloseIdleConnections()
	var got statuses
	for startedAt := time.Now(); time.Since(startedAt) < attackTime; {
		status, _ := env.request(client, http.MethodGet, "/api/v1/clusters/"+hostile+"/nodes?timeout=2s", env.token, nil)
		got.add(status)
		<-time.After(100 * time.Millisecond)
	}
	env.t.Logf("%d dials, responses by status: %v", agent.dials.Load(), got.byStatus)
	if agent.dials.Load() == 0 || got.byStatus[http.StatusOK] > 0 {
		env.t.Errorf("got %d dials and responses by status %v, want a dial and never 200", agent.dials.Load(), got.byStatus)
	}
	reason := env.kubectl("get", "clusteragent", hostile, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].reason}`)
	if reason != "ProtocolError" {
		env.t.Errorf("Ready: got reason %q, want ProtocolError", reason)
	}
	if out := env.kubectl("delete", "clusteragent", hostile); !strings.Contains(out, "deleted") {
		env.t.Errorf("delete the ClusterAgent: got %s", out)
	}
}

// emptyContainers returns 64 chunks of a snapshot with 65,535 containers without content each, compressed.
func emptyContainers(env *nodeEnvironment) (frames [][]byte) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		env.t.Fatal(err)
	}
	defer encoder.Close()
	for i := range uint32(64) {
		plain, err := proto.Marshal(&wirepb.AgentMessage{Message: &wirepb.AgentMessage_Snapshot{Snapshot: &wirepb.Snapshot{
			Id: 1, Chunk: i, Objects: &wirepb.Objects{Containers: &wirepb.Containers{Back: make([]int64, 1<<16-1)}},
		}}})
		if err != nil {
			env.t.Fatal(err)
		}
		frame, err := proto.Marshal(&wirepb.AgentMessage{Message: &wirepb.AgentMessage_Zstd{Zstd: encoder.EncodeAll(plain, nil)}})
		if err != nil {
			env.t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	return frames
}

// ServeHTTP accepts every request of a master and sends the snapshot.
func (a *hostileAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := fake.Accept(w, r, wire.NewCodec())
	if err != nil {
		return
	}
	defer conn.CloseNow()
	a.dials.Add(1)
	ctx, cancel := context.WithTimeout(r.Context(), attackTime)
	defer cancel()
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	if err := conn.Send(ctx, &wire.Hello{ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Epoch: 1, Nonce: nonce}); err != nil {
		return
	}
	m, err := conn.Receive(ctx)
	request, ok := m.(*wire.SubscribeRequest)
	if err != nil || !ok || request.SummaryOnly {
		return
	}
	response := &wire.SubscribeResponse{Session: request.Session, Period: request.Period, Duration: request.Duration, Nonce: nonce, Identity: &wire.Identity{
		AgentVersion: "v0.1.0", ClusterName: hostile, ClusterUID: "00000000-0000-4000-8000-000000000001", KubernetesVersion: "v1.36.3",
	}}
	err = conn.Send(ctx, response)
	for _, bomb := range a.frames {
		if err == nil {
			err = conn.SendFrame(ctx, bomb)
		}
	}
	for err == nil {
		_, _, err = conn.Read(ctx)
	}
}
