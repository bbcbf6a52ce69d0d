package budget

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"rollcall.dev/rollcall/api/wire"
)

func TestFairShareAndEviction(t *testing.T) {
	for name, tc := range map[string]struct {
		needs []int64 // the first one grows
		total int64
		share int64

		refused bool
		evict   []int
	}{
		"all fit":                        {needs: []int64{50, 30, 20}, total: 100, share: 100},
		"alone":                          {needs: []int64{101}, total: 100, share: 100, refused: true},
		"the growing one is the largest": {needs: []int64{71, 20, 10}, total: 100, share: 70, refused: true},
		"above its share, and another one is larger": {needs: []int64{60, 65, 10}, total: 100, share: 45, refused: true},
		"within its share":                           {needs: []int64{20, 90}, total: 100, share: 80, evict: []int{1}},
		"exactly its share":                          {needs: []int64{50, 60}, total: 100, share: 50, evict: []int{1}},
		"two of the same size":                       {needs: []int64{51, 51}, total: 100, share: 50, refused: true},
		"no more are evicted than necessary":         {needs: []int64{25, 40, 30, 30}, total: 100, share: 25, evict: []int{1}},
		"two have to be evicted":                     {needs: []int64{10, 60, 60, 5}, total: 60, share: 22, evict: []int{1, 2}},
		"many small ones and a large one":            {needs: []int64{10, 10, 10, 10, 10, 61}, total: 100, share: 50, evict: []int{5}},
	} {
		t.Run(name, func(t *testing.T) {
			if share := fairShare(tc.needs, tc.total); share != tc.share {
				t.Errorf("got a fair share of %d, want %d", share, tc.share)
			}
			_, refused, evict := planEviction(tc.needs, 0, tc.total)
			if refused != tc.refused || !reflect.DeepEqual(evict, tc.evict) {
				t.Errorf("got refused %v, evicted %v, want %v, %v", refused, evict, tc.refused, tc.evict)
			}
		})
	}
}

// TestNoClusterWithinItsShareIsEvicted tries random needs.
func TestNoClusterWithinItsShareIsEvicted(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		needs := make([]int64, 1+random.IntN(12))
		for i := range needs {
			needs[i] = random.Int64N(1 << random.IntN(20))
		}
		total := 1 + random.Int64N(1<<16)
		share := fairShare(needs, total)
		_, refused, evict := planEviction(needs, 0, total)
		left := needs[0]
		if refused {
			left = 0
		}
		for _, need := range needs[1:] {
			left += need
		}
		for _, i := range evict {
			if needs[i] <= share {
				t.Fatalf("%v of %d: %d is evicted within the share of %d", needs, total, needs[i], share)
			}
			left -= needs[i]
		}
		if refused && needs[0] <= share {
			t.Fatalf("%v of %d: the first is refused within the share of %d", needs, total, share)
		}
		if !refused && left > total {
			t.Fatalf("%v of %d: %d remain, which exceeds the total", needs, total, left)
		}
	}
}

// evictionOf returns a pointer to the error with which the account is evicted, nil until then.
func evictionOf(a *Account) *error {
	var got error
	a.OnEvict(func(err error) { got = err })
	return &got
}

func TestHostileClusterEvictsNoOther(t *testing.T) {
	p := New(100<<20, 0)
	honest, hostile := p.Account("honest"), p.Account("hostile")
	honestEviction, hostileEviction := evictionOf(honest), evictionOf(hostile)
	if err := honest.Reserve(40 << 20); err != nil {
		t.Fatal(err)
	}
	honest.Commit(30 << 20)
	var err error
	for err == nil {
		err = hostile.Reserve(1 << 20)
	}
	var refused *Error
	if !errors.Is(err, wire.ErrBudget) || !errors.As(err, &refused) || refused.Needed != 71<<20 || refused.Limit != 70<<20 || !refused.Total {
		t.Errorf("got %v, want that it needs 71 MiB and its share is 70", err)
	}
	for _, text := range []string{"71.0 MiB", "70.0 MiB", TotalFlag} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got error %q, want %q in it", err, text)
		}
	}
	// The hostile cluster keeps its memory, and the honest one grows.
	if err := honest.Reserve(20 << 20); err != nil {
		t.Errorf("honest cluster: got error %v, want none", err)
	}
	if *hostileEviction == nil || *honestEviction != nil {
		t.Errorf("evicted: hostile %v, honest %v, want only the hostile one", *hostileEviction, *honestEviction)
	}
	if err := hostile.Reserve(1); err == nil {
		t.Error("an evicted cluster reserved memory")
	}
	hostile.Commit(0)
	if err := hostile.Reserve(1); err != nil {
		t.Errorf("after Commit(0): got %v, want no error", err)
	}
	hostile.Close()
	honest.Close()
	if used := p.Used(); used != 0 {
		t.Errorf("got %d bytes in use after all accounts were closed, want 0", used)
	}
}

func TestClusterLimit(t *testing.T) {
	p := New(0, 10)
	a := p.Account("a")
	if err := a.Reserve(10); err != nil {
		t.Fatal(err)
	}
	err := a.Reserve(1)
	if !errors.Is(err, wire.ErrBudget) || !strings.Contains(err.Error(), ClusterFlag) {
		t.Errorf("got %v, want ErrBudget that names %s", err, ClusterFlag)
	}
	a.Commit(3)
	if err := a.Reserve(7); err != nil || p.Used() != 10 {
		t.Errorf("after a smaller Commit: got error %v, %d bytes in use, want 10", err, p.Used())
	}
	a.Close()
	a.Commit(5)
	if p.Used() != 0 {
		t.Errorf("got %d bytes in use after Close, want 0", p.Used())
	}
	if p.Account("a") == a {
		t.Error("got the closed account, want a new one")
	}
}

func TestPoolMetrics(t *testing.T) {
	p := New(100, 60)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(p)
	if err := p.Account("a").Reserve(50); err != nil {
		t.Fatal(err)
	}
	if err := p.Account("b").Reserve(20); err != nil {
		t.Fatal(err)
	}
	_ = p.Account("a").Reserve(20)
	want := `
# HELP rollcall_state_memory_bytes Estimated memory of the states of all clusters, including states that are being received.
# TYPE rollcall_state_memory_bytes gauge
rollcall_state_memory_bytes 70
# HELP rollcall_state_memory_largest_bytes Estimated memory of the state of the largest cluster. There is no metric by cluster, as clients that may read metrics may not be allowed to read all clusters.
# TYPE rollcall_state_memory_largest_bytes gauge
rollcall_state_memory_largest_bytes 50
# HELP rollcall_state_memory_limit_bytes Limits of the memory of states, by limit: cluster, for one cluster; total, for all clusters. 0 means no limit.
# TYPE rollcall_state_memory_limit_bytes gauge
rollcall_state_memory_limit_bytes{limit="cluster"} 60
rollcall_state_memory_limit_bytes{limit="total"} 100
# HELP rollcall_state_refusals_total Cluster states refused because they need too much memory, by the exceeded limit: cluster, the limit of one cluster; total, the share of the limit of all clusters.
# TYPE rollcall_state_refusals_total counter
rollcall_state_refusals_total{limit="cluster"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
