package session

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall.dev/rollcall/master/session/dial"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/api/wire/wirepb"
	"rollcall.dev/rollcall/master/budget"
)

// totalBudget and clusterBudget are the limits of the budget in bytes. maxHeapGrowth limits the growth of the
// heap during an attack: the budget, garbage, and what is decoded at a time.
const (
	totalBudget   = 32 << 20
	clusterBudget = 16 << 20
	maxHeapGrowth = 64 << 20
)

// withBudget sets the limits of the master's budget for all clusters and for each cluster, in bytes.
func withBudget(total, cluster int64) func(*testMaster) {
	return func(m *testMaster) { m.config.Budget = budget.New(total, cluster) }
}

// wantUsedMemory fails the test unless the budget has want bytes in use.
func (m *testMaster) wantUsedMemory(want int64) {
	m.t.Helper()
	if used := m.config.Budget.Used(); used != want {
		m.t.Fatalf("the budget has %d bytes in use, want %d", used, want)
	}
}

// compressedMessage returns an encoded message that is compressed, however small.
func compressedMessage(t testing.TB, m *wirepb.AgentMessage) []byte {
	plain, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	frame, err := proto.Marshal(&wirepb.AgentMessage{Message: &wirepb.AgentMessage_Zstd{Zstd: encoder.EncodeAll(plain, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func snapshotChunk(i int, o *wirepb.Objects) *wirepb.AgentMessage {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Snapshot{Snapshot: &wirepb.Snapshot{Id: 1, Chunk: uint32(i), Objects: o}}}
}

// emptyContainers returns 64 chunks of a snapshot, each with 65,535 containers without content. Together they
// have a few kB.
func emptyContainers(t testing.TB) (frames [][]byte) {
	for i := range 64 {
		frames = append(frames, compressedMessage(t, snapshotChunk(i, &wirepb.Objects{Containers: &wirepb.Containers{Back: make([]int64, 1<<16-1)}})))
	}
	return frames
}

// longStrings returns 100 chunks of a snapshot, each with 4 MB of strings of the maximum length.
func longStrings(t testing.TB) (frames [][]byte) {
	for i := range 100 {
		text := strings.Repeat(string(rune('a'+i%26)), 4<<10)
		frames = append(frames, compressedMessage(t, snapshotChunk(i, &wirepb.Objects{Strings: slices.Repeat([]string{text}, 1000)})))
	}
	return frames
}

// manyShortStrings returns 8 chunks of a snapshot, each with a million strings of one character.
func manyShortStrings(t testing.TB) (frames [][]byte) {
	for i := range 8 {
		frames = append(frames, compressedMessage(t, snapshotChunk(i, &wirepb.Objects{Strings: slices.Repeat([]string{"a"}, 1<<20)})))
	}
	return frames
}

// emptyDelta returns a Delta with 65,535 pods without content, which has some hundred bytes.
func emptyDelta(t testing.TB) [][]byte {
	return [][]byte{compressedMessage(t, &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Delta{Delta: &wirepb.Delta{Upserts: &wirepb.Objects{Pods: &wirepb.Pods{Back: make([]int64, 1<<16-1)}}}}})}
}

// decompressionBombs returns messages that are small but decode to a lot of memory, by name.
func decompressionBombs(t testing.TB) map[string][][]byte {
	return map[string][][]byte{
		"empty containers": emptyContainers(t), "long strings": longStrings(t), "short strings": manyShortStrings(t), "a delta of empty pods": emptyDelta(t),
	}
}

// TestDecompressionBombsAreRefused sends each bomb from one agent while another cluster reports.
func TestDecompressionBombsAreRefused(t *testing.T) {
	for name, frames := range decompressionBombs(t) {
		t.Run(name, func(t *testing.T) {
			var size int
			for _, f := range frames {
				size += len(f)
			}
			meter := newHeapMeter()
			withMaster(t, func(t *testing.T, m *testMaster) {
				m.addCluster("honest", continuous)
				m.get("honest")
				var sent atomic.Int64
				m.addClusterWithHandler("hostile", func(c *agentConn) {
					c.grantTo(c.handshake())
					for _, f := range frames {
						if !c.sendRaw(f) {
							break
						}
						sent.Add(1)
					}
					for c.receive() != nil {
					}
				})
				u := m.wantUnreachable("hostile", dial.ProtocolError, "MiB", budget.ClusterFlag)
				growth := meter.stop()
				t.Logf("%d bytes in %d frames, %d of which were sent: the heap grew by %d MiB; %v", size, len(frames), sent.Load(), growth>>20, u)
				limit := int64(maxHeapGrowth)
				if name == "short strings" { // a message that needs the most memory for decoding
					limit += wire.MaxDecodeSize
				}
				if growth > limit {
					t.Errorf("the heap grew by %d MiB, want at most %d", growth>>20, limit>>20)
				}
				m.advance(10 * time.Second)
				m.get("honest")
				for _, name := range []string{"hostile", "honest"} {
					m.registry.remove(name)
					m.sessions.Sync(name)
				}
				m.advance(time.Minute)
				m.wantUsedMemory(0)
			}, withBudget(totalBudget, clusterBudget))
		})
	}
}

func TestBackoffOfAClusterOverItsMemoryLimitGrows(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		small := statetest.New(9, 1, 2).State
		a := m.addClusterWithHandler("a", func(c *agentConn) {
			c.grantTo(c.handshake())
			// The first report is valid and small.
			c.agent.update(func() { c.agent.cluster.State = small })
			c.sent = nil
			c.flush()
			for _, f := range emptyDelta(c.agent.t) {
				c.sendRaw(f)
			}
			for c.receive() != nil {
			}
		}, continuous)
		a.update(func() { a.hello.Epoch = small.Epoch })
		m.advance(5 * time.Minute)
		// With a constant delay there would be about four dials per second.
		if n := m.dials("a"); n < 8 || n > 40 {
			t.Errorf("got %d dials in 5 min, want about 20", n)
		}
		m.wantReason("a", dial.ProtocolError)
	}, withBudget(1<<30, 1<<20))
}

// TestMemoryIsReleased ends sessions in several ways, after which no memory may be in use.
func TestMemoryIsReleased(t *testing.T) {
	for name, end := range map[string]func(m *testMaster, a *fakeAgent){
		"no more requests": func(m *testMaster, _ *fakeAgent) { m.advance(10 * time.Minute) },
		"suspended": func(m *testMaster, _ *fakeAgent) {
			m.edit("a", func(c *Cluster) { c.Suspended = true })
			m.advance(10 * time.Minute)
			m.edit("a", func(c *Cluster) { c.Suspended = false })
			m.advance(10 * time.Minute)
		},
		"removed": func(m *testMaster, _ *fakeAgent) {
			m.registry.remove("a")
			m.sessions.Sync("a")
			m.advance(time.Second)
		},
		"another expected UID": func(m *testMaster, _ *fakeAgent) {
			m.edit("a", func(c *Cluster) { c.ExpectedUID = "another" })
			m.advance(time.Second)
		},
		"an incomplete snapshot": func(m *testMaster, a *fakeAgent) {
			a.setHandler(func(c *agentConn) {
				c.grantTo(c.handshake())
				c.sendRaw(emptyContainers(a.t)[0])
				_ = c.CloseNow()
			})
			m.edit("a", func(c *Cluster) { c.RequestPeriod = 2 * time.Second })
			m.advance(10 * time.Minute)
		},
		"a wrong bookmark": func(m *testMaster, a *fakeAgent) {
			a.setHandler(func(c *agentConn) {
				c.grantTo(c.handshake())
				c.sendRaw(emptyDelta(a.t)[0])
				c.send(&wire.Bookmark{Seq: 1 << 40})
				for c.receive() != nil {
				}
			})
			m.edit("a", func(c *Cluster) { c.RequestPeriod = 2 * time.Second })
			m.advance(10 * time.Minute)
		},
		"changes": func(m *testMaster, a *fakeAgent) {
			for range 20 {
				a.change(10)
				m.advance(time.Second)
				m.get("a")
			}
			m.advance(10 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				a := m.addCluster("a")
				m.get("a")
				if m.config.Budget.Used() == 0 {
					t.Error("no memory is reserved for a cluster with a report")
				}
				end(m, a)
				m.wantUsedMemory(0)
			}, withBudget(1<<30, 1<<30))
		})
	}
}

// TestClusterAboveItsShareIsEvicted registers a second cluster when the first one has used up the budget.
func TestClusterAboveItsShareIsEvicted(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("hostile", continuous)
		m.advance(5 * time.Second)
		// The first cluster reserves the rest for a message.
		account := m.config.Budget.Account("hostile")
		if err := account.Reserve(4<<20 - m.config.Budget.Used()); err != nil {
			t.Fatal(err)
		}
		m.addCluster("honest", continuous, func(c *Cluster) { c.SessionDuration = time.Hour })
		r := m.get("honest")
		status := m.wantReason("hostile", dial.ProtocolError)
		if !strings.Contains(status.Message, budget.TotalFlag) {
			t.Errorf("message is %q, want it to name the flag", status.Message)
		}
		if r, ok := m.sessions.LastReport("hostile"); ok && r.HasState() {
			t.Error("the State of the cluster above its share was not dropped")
		}
		for range 60 {
			m.advance(5 * time.Second)
			if got := m.get("honest"); got.Term != r.Term {
				t.Fatal("the session of the cluster within its share ended")
			}
		}
	}, withBudget(4<<20, 0))
}

func TestStatesOfTheSameSizeAllFit(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		for i := range 5 {
			a := m.addCluster(clusterName(i), continuous)
			a.update(func() {
				a.cluster = statetest.New(uint64(i), 20, 200)
				a.hello.Epoch = a.cluster.State.Epoch
			})
		}
		m.advance(20 * time.Second)
		for i := range 5 {
			if r := m.get(clusterName(i)); stateOf(t, r).Len(state.KindPod) != 200 {
				t.Errorf("%s has %d pods, want 200", clusterName(i), stateOf(t, r).Len(state.KindPod))
			}
		}
		t.Logf("5 clusters take %d KiB", m.config.Budget.Used()>>10)
	}, withBudget(4<<20, 2<<20))
}
