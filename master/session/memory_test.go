package session

import (
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/api/wire/wirepb"
	"rollcall.dev/rollcall/master/budget"
)

// The budget of these tests, and what the heap may grow by at most while an agent attacks:
// the budget, what Go leaves as garbage beside it, and what is decoded at a time.
const (
	testTotal   = 32 << 20
	testCluster = 16 << 20
	mostGrowth  = 64 << 20
)

// withMemory sets the budgets of a stage.s master, in bytes.
func withMemory(total, cluster int64) func(*stage) {
	return func(s *stage) { s.config.Budget = budget.New(total, cluster) }
}

// wantMemory fails unless the states of all clusters take so much.
func (s *stage) wantMemory(want int64) {
	s.t.Helper()
	if used := s.config.Budget.Used(); used != want {
		s.t.Fatalf("the states of all clusters take %d bytes, want %d", used, want)
	}
}

// packed is the frame of a message, compressed however small that makes it.
func packed(t testing.TB, m *wirepb.AgentMessage) []byte {
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

func chunkOf(i int, o *wirepb.Objects) *wirepb.AgentMessage {
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Snapshot{Snapshot: &wirepb.Snapshot{Id: 1, Chunk: uint32(i), Objects: o}}}
}

// emptyContainers are 64 chunks of 65,535 containers with nothing in them: a few kB.
func emptyContainers(t testing.TB) (frames [][]byte) {
	for i := range 64 {
		frames = append(frames, packed(t, chunkOf(i, &wirepb.Objects{Containers: &wirepb.Containers{Back: make([]int64, 1<<16-1)}})))
	}
	return frames
}

// longStrings are 100 chunks of strings as long as they may be, 4 MB each.
func longStrings(t testing.TB) (frames [][]byte) {
	for i := range 100 {
		text := strings.Repeat(string(rune('a'+i%26)), 4<<10)
		frames = append(frames, packed(t, chunkOf(i, &wirepb.Objects{Strings: slices.Repeat([]string{text}, 1000)})))
	}
	return frames
}

// manyShortStrings are 8 chunks of strings of one character, a million each.
func manyShortStrings(t testing.TB) (frames [][]byte) {
	for i := range 8 {
		frames = append(frames, packed(t, chunkOf(i, &wirepb.Objects{Strings: slices.Repeat([]string{"a"}, 1<<20)})))
	}
	return frames
}

// emptyDelta is a Delta of 65,535 pods that takes some hundred bytes.
func emptyDelta(t testing.TB) [][]byte {
	return [][]byte{packed(t, &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Delta{Delta: &wirepb.Delta{Upserts: &wirepb.Objects{Pods: &wirepb.Pods{Back: make([]int64, 1<<16-1)}}}}})}
}

// bombs are what a hostile agent says behind its grant.
func bombs(t testing.TB) map[string][][]byte {
	return map[string][][]byte{
		"empty containers": emptyContainers(t), "long strings": longStrings(t), "short strings": manyShortStrings(t), "a delta of empty pods": emptyDelta(t),
	}
}

// growth notes by how much more the heap is than at first, at most. It is begun outside of
// a stage: time does not pass there while anything runs.
func growth() (stop func() int64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := int64(m.HeapAlloc), int64(0)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		look := time.NewTicker(time.Millisecond)
		defer look.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, int64(m.HeapAlloc)-before)
			select {
			case <-done:
				return
			case <-look.C:
			}
		}
	}()
	return func() int64 {
		close(done)
		<-ended
		return most
	}
}

// TestBombsOfAnAgentAreRefused lets an agent send each bomb, beside another cluster that
// is reported all the time.
func TestBombsOfAnAgentAreRefused(t *testing.T) {
	for name, frames := range bombs(t) {
		t.Run(name, func(t *testing.T) {
			var size int
			for _, f := range frames {
				size += len(f)
			}
			stop := growth()
			act(t, func(t *testing.T, s *stage) {
				s.cluster("honest", continuous)
				s.get("honest")
				var sent atomic.Int64
				s.scripted("hostile", func(k *talk) {
					k.grantTo(k.handshake())
					for _, f := range frames {
						if !k.sendRaw(f) {
							break
						}
						sent.Add(1)
					}
					for k.receive() != nil {
					}
				})
				u := s.wantUnreachable("hostile", ProtocolError, "MiB", budget.ClusterFlag)
				most := stop()
				t.Logf("%d bytes in %d frames, %d of which were sent: the heap grew by %d MiB; %v", size, len(frames), sent.Load(), most>>20, u)
				limit := int64(mostGrowth)
				if name == "short strings" { // two messages that take the most while they are decoded
					limit += wire.MaxDecodeSize
				}
				if most > limit {
					t.Errorf("the heap grew by %d MiB, want at most %d", most>>20, limit>>20)
				}
				s.pass(10 * time.Second)
				s.get("honest")
				for _, name := range []string{"hostile", "honest"} {
					s.registry.remove(name)
					s.sessions.Sync(name)
				}
				s.pass(time.Minute)
				s.wantMemory(0)
			}, withMemory(testTotal, testCluster))
		})
	}
}

func TestBackOffOfARefusedClusterGrows(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		small := statetest.New(9, 1, 2).State
		a := s.scripted("a", func(k *talk) {
			k.grantTo(k.handshake())
			// What it says at first is as it should be.
			k.agent.count(func() { k.agent.world.State = small })
			k.held = nil
			k.flush()
			for _, f := range emptyDelta(k.agent.t) {
				k.sendRaw(f)
			}
			for k.receive() != nil {
			}
		}, continuous)
		a.count(func() { a.hello.Epoch = small.Epoch })
		s.pass(5 * time.Minute)
		// Without growth it would be called some four times a second.
		if n := s.dialsOf("a"); n < 8 || n > 40 {
			t.Errorf("it was called %d times in 5 minutes, want some 20", n)
		}
		s.wantReason("a", ProtocolError)
	}, withMemory(1<<30, 1<<20))
}

// TestMemoryIsGivenBack follows a cluster to its end in all ways that there are.
func TestMemoryIsGivenBack(t *testing.T) {
	for name, end := range map[string]func(s *stage, a *agent){
		"nobody asks any more": func(s *stage, _ *agent) { s.pass(10 * time.Minute) },
		"it is suspended": func(s *stage, _ *agent) {
			s.edit("a", func(c *Cluster) { c.Suspended = true })
			s.pass(10 * time.Minute)
			s.edit("a", func(c *Cluster) { c.Suspended = false })
			s.pass(10 * time.Minute)
		},
		"it is removed": func(s *stage, _ *agent) {
			s.registry.remove("a")
			s.sessions.Sync("a")
			s.pass(time.Second)
		},
		"another cluster is expected": func(s *stage, _ *agent) {
			s.edit("a", func(c *Cluster) { c.ExpectedUID = "another" })
			s.pass(time.Second)
		},
		"a snapshot is cut short": func(s *stage, a *agent) {
			a.play(func(k *talk) {
				k.grantTo(k.handshake())
				k.sendRaw(emptyContainers(a.t)[0])
				_ = k.conn.CloseNow()
			})
			s.edit("a", func(c *Cluster) { c.RequestPeriod = 2 * time.Second })
			s.pass(10 * time.Minute)
		},
		"a bookmark that does not fit": func(s *stage, a *agent) {
			a.play(func(k *talk) {
				k.grantTo(k.handshake())
				k.sendRaw(emptyDelta(a.t)[0])
				k.send(&wire.Bookmark{Seq: 1 << 40})
				for k.receive() != nil {
				}
			})
			s.edit("a", func(c *Cluster) { c.RequestPeriod = 2 * time.Second })
			s.pass(10 * time.Minute)
		},
		"changes": func(s *stage, a *agent) {
			for range 20 {
				a.change(10)
				s.pass(time.Second)
				s.get("a")
			}
			s.pass(10 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				a := s.cluster("a")
				s.get("a")
				if s.config.Budget.Used() == 0 {
					t.Error("a cluster takes nothing")
				}
				end(s, a)
				s.wantMemory(0)
			}, withMemory(1<<30, 1<<30))
		})
	}
}

// TestAHostileClusterGivesWay has an honest cluster come when a hostile one has taken
// everything.
func TestAHostileClusterGivesWay(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("hostile", continuous)
		s.pass(5 * time.Second)
		// More of its report is about to be decoded, and takes all that is free.
		account := s.config.Budget.Account("hostile")
		if err := account.Reserve(4<<20 - s.config.Budget.Used()); err != nil {
			t.Fatal(err)
		}
		s.cluster("honest", continuous, func(c *Cluster) { c.SessionDuration = time.Hour })
		v := s.get("honest")
		o := s.wantReason("hostile", ProtocolError)
		if !strings.Contains(o.Message, budget.TotalFlag) {
			t.Errorf("told %q", o.Message)
		}
		if v, ok := s.sessions.LastReport("hostile"); ok && v.State != nil {
			t.Error("the hostile cluster's State is still there")
		}
		for range 60 {
			s.pass(5 * time.Second)
			if got := s.get("honest"); got.Term != v.Term {
				t.Fatal("the honest cluster lost its session")
			}
		}
	}, withMemory(4<<20, 0))
}

func TestStatesOfTheSameSizeAllFit(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		for i := range 5 {
			a := s.cluster(name(i), continuous)
			a.count(func() {
				a.world = statetest.New(uint64(i), 20, 200)
				a.hello.Epoch = a.world.State.Epoch
			})
		}
		s.pass(20 * time.Second)
		for i := range 5 {
			if v := s.get(name(i)); v.State.Len(state.KindPod) != 200 {
				t.Errorf("%s has %d pods", name(i), v.State.Len(state.KindPod))
			}
		}
		t.Logf("5 clusters take %d KiB", s.config.Budget.Used()>>10)
	}, withMemory(4<<20, 2<<20))
}
