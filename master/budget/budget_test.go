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

func TestMemoryIsSharedFairly(t *testing.T) {
	for name, tc := range map[string]struct {
		claims []int64 // the first is the one that grows
		total  int64
		share  int64

		refused bool
		giveWay []int
	}{
		"all fit":                       {claims: []int64{50, 30, 20}, total: 100, share: 100},
		"alone":                         {claims: []int64{101}, total: 100, share: 100, refused: true},
		"the one that grows takes most": {claims: []int64{71, 20, 10}, total: 100, share: 70, refused: true},
		"above its share, though another takes more": {claims: []int64{60, 65, 10}, total: 100, share: 45, refused: true},
		"within its share":                           {claims: []int64{20, 90}, total: 100, share: 80, giveWay: []int{1}},
		"exactly its share":                          {claims: []int64{50, 60}, total: 100, share: 50, giveWay: []int{1}},
		"two of the same size":                       {claims: []int64{51, 51}, total: 100, share: 50, refused: true},
		"several give way, and no more than needed":  {claims: []int64{25, 40, 30, 30}, total: 100, share: 25, giveWay: []int{1}},
		"one is not enough":                          {claims: []int64{10, 60, 60, 5}, total: 60, share: 22, giveWay: []int{1, 2}},
		"many small ones and a large one":            {claims: []int64{10, 10, 10, 10, 10, 61}, total: 100, share: 50, giveWay: []int{5}},
	} {
		t.Run(name, func(t *testing.T) {
			if share := fairShare(tc.claims, tc.total); share != tc.share {
				t.Errorf("the fair share is %d, want %d", share, tc.share)
			}
			_, refused, giveWay := planEviction(tc.claims, 0, tc.total)
			if refused != tc.refused || !reflect.DeepEqual(giveWay, tc.giveWay) {
				t.Errorf("refused %v, %v give way, want %v, %v", refused, giveWay, tc.refused, tc.giveWay)
			}
		})
	}
}

// TestNobodyWithinItsShareGivesWay tries random claims.
func TestNobodyWithinItsShareGivesWay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		claims := make([]int64, 1+random.IntN(12))
		for i := range claims {
			claims[i] = random.Int64N(1 << random.IntN(20))
		}
		total := 1 + random.Int64N(1<<16)
		share := fairShare(claims, total)
		_, refused, giveWay := planEviction(claims, 0, total)
		left := claims[0]
		if refused {
			left = 0
		}
		for _, claim := range claims[1:] {
			left += claim
		}
		for _, i := range giveWay {
			if claims[i] <= share {
				t.Fatalf("%v of %d: %d gives way within the share of %d", claims, total, claims[i], share)
			}
			left -= claims[i]
		}
		if refused && claims[0] <= share {
			t.Fatalf("%v of %d: the first is refused within the share of %d", claims, total, share)
		}
		if !refused && left > total {
			t.Fatalf("%v of %d: %d are left", claims, total, left)
		}
	}
}

// told notes who has to give way.
func told(a *Account) *error {
	var got error
	a.OnEvict(func(err error) { got = err })
	return &got
}

func TestAHostileClusterPushesNobodyOut(t *testing.T) {
	p := New(100<<20, 0)
	honest, hostile := p.Account("honest"), p.Account("hostile")
	honestTold, hostileTold := told(honest), told(hostile)
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
	for _, words := range []string{"71.0 MiB", "70.0 MiB", TotalFlag} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q does not tell of %s", err, words)
		}
	}
	// It holds on to what it has, and the honest one grows.
	if err := honest.Reserve(20 << 20); err != nil {
		t.Errorf("an honest cluster is refused: %v", err)
	}
	if *hostileTold == nil || *honestTold != nil {
		t.Errorf("told: hostile %v, honest %v", *hostileTold, *honestTold)
	}
	if err := hostile.Reserve(1); err == nil {
		t.Error("a cluster that has to give way takes more")
	}
	hostile.Commit(0)
	if err := hostile.Reserve(1); err != nil {
		t.Errorf("once it holds nothing: %v", err)
	}
	hostile.Close()
	honest.Close()
	if used := p.Used(); used != 0 {
		t.Errorf("%d bytes are used in the end", used)
	}
}

func TestOneClusterHasALimit(t *testing.T) {
	p := New(0, 10)
	a := p.Account("a")
	if err := a.Reserve(10); err != nil {
		t.Fatal(err)
	}
	err := a.Reserve(1)
	if !errors.Is(err, wire.ErrBudget) || !strings.Contains(err.Error(), ClusterFlag) {
		t.Errorf("got %v", err)
	}
	a.Commit(3)
	if err := a.Reserve(7); err != nil || p.Used() != 10 {
		t.Errorf("after it holds less: %v, %d used", err, p.Used())
	}
	a.Close()
	a.Commit(5)
	if p.Used() != 0 {
		t.Errorf("%d used by who is gone", p.Used())
	}
	if p.Account("a") == a {
		t.Error("a cluster that comes again has the old account")
	}
}

func TestMetricsOfThePool(t *testing.T) {
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
# HELP rollcall_state_memory_bytes Memory that the states of all clusters are estimated to take, with what is being received.
# TYPE rollcall_state_memory_bytes gauge
rollcall_state_memory_bytes 70
# HELP rollcall_state_memory_largest_bytes Memory that the state of the largest cluster is estimated to take. It is not by cluster: who may see this may not see all of them.
# TYPE rollcall_state_memory_largest_bytes gauge
rollcall_state_memory_largest_bytes 50
# HELP rollcall_state_memory_limit_bytes Limits of the memory of states, of one cluster and of all in total; 0: none.
# TYPE rollcall_state_memory_limit_bytes gauge
rollcall_state_memory_limit_bytes{limit="cluster"} 60
rollcall_state_memory_limit_bytes{limit="total"} 100
# HELP rollcall_state_refusals_total States of clusters that were refused because they take too much memory, by the limit that they exceed: cluster (of one), or total (of all together, of which the cluster took more than its share).
# TYPE rollcall_state_refusals_total counter
rollcall_state_refusals_total{limit="cluster"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
