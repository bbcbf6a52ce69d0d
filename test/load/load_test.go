package load

import (
	"fmt"
	"math"
	"testing"
)

// keys returns n keys of containers.
func keys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("team-%d/pod-%d/c0", i%12, i)
	}
	return keys
}

// readings returns the usage of all keys in sample n.
func readings(u *Usage, keys []string, n int) []Used {
	all := make([]Used, len(keys))
	for i, k := range keys {
		all[i] = u.At(k, u.Base(k), n)
	}
	return all
}

func TestSameSeedHasTheSameValues(t *testing.T) {
	const key = "shop/cart-7/app"
	a, b := New(Storm, 7), New(Storm, 7)
	for _, n := range []int{0, 5, 1, 1000, 5} {
		if got, want := a.At(key, a.Base(key), n), b.At(key, b.Base(key), n); got != want {
			t.Errorf("sample %d: got %+v and %+v, want the same", n, want, got)
		}
	}
	// The published benchmark results depend on these loads.
	if got, want := a.Base(key), (Used{CPUMillis: 2, MemoryBytes: 46886912}); got != want {
		t.Errorf("base of %s: got %+v, want %+v, or earlier benchmark results are not comparable", key, got, want)
	}
	if New(Storm, 8).Base(key) == a.Base(key) {
		t.Error("got the same base for two seeds")
	}
}

func TestStillNeverChanges(t *testing.T) {
	u := New(Still, 1)
	for _, k := range keys(1000) {
		if base := u.Base(k); u.At(k, base, 3) != base {
			t.Fatalf("sample of %s: got %+v, want its base %+v", k, u.At(k, base, 3), base)
		}
	}
}

func TestShareOfIdleKeys(t *testing.T) {
	for kind, want := range map[Kind]float64{Still: 1, Office: 0.8, Storm: 0} {
		u, idle := New(kind, 1), 0
		for _, k := range keys(20_000) {
			if u.Idle(k) {
				idle++
			}
		}
		if got := float64(idle) / 20_000; math.Abs(got-want) > 0.01 {
			t.Errorf("%s: got a share of %.3f idle keys, want %.2f", kind, got, want)
		}
	}
}

func TestStormStaysWithinItsSwing(t *testing.T) {
	u := New(Storm, 3)
	base := Used{CPUMillis: 1000, MemoryBytes: 1000 << 10}
	lowest, highest := base, base
	for n := range 20_000 {
		at := u.At("shop/cart-7/app", base, n)
		lowest = Used{min(lowest.CPUMillis, at.CPUMillis), min(lowest.MemoryBytes, at.MemoryBytes)}
		highest = Used{max(highest.CPUMillis, at.CPUMillis), max(highest.MemoryBytes, at.MemoryBytes)}
	}
	if lowest != (Used{950, 990 << 10}) || highest != (Used{1050, 1010 << 10}) {
		t.Errorf("got %+v to %+v, want ±5 %% CPU and ±1 %% memory of %+v", lowest, highest, base)
	}
}

func TestMemoryIsInKibibytes(t *testing.T) {
	u := New(Storm, 5)
	for _, k := range keys(1000) {
		if at := u.At(k, u.Base(k), 9); at.MemoryBytes%1024 != 0 || at.CPUMillis < 1 {
			t.Fatalf("%s: got %+v, want whole KiB and at least a millicore", k, at)
		}
	}
}

func TestEntropyOfTheLoads(t *testing.T) {
	all := keys(50_000)
	entropy := func(kind Kind) float64 {
		u := New(kind, 1)
		return Entropy(readings(u, all, 1), readings(u, all, 2))
	}
	if still := entropy(Still); still != 0 {
		t.Errorf("still: got %f bits a value, want 0", still)
	}
	office, storm := entropy(Office), entropy(Storm)
	t.Logf("bits a value: office %.2f, storm %.2f", office, storm)
	if office <= 0.5 || office >= storm/2 || storm > 12 {
		t.Errorf("got %.2f bits a value for office and %.2f for storm, want office above 0.5 and below half of storm, and storm at most 12", office, storm)
	}
}

func TestEntropyOfUniformDifferences(t *testing.T) {
	before, after := make([]Used, 16), make([]Used, 16)
	for i := range after {
		after[i] = Used{CPUMillis: int64(i), MemoryBytes: int64(i/4) << 10}
	}
	if got := Entropy(before, after); got != 3 {
		t.Errorf("got %f bits, want 3: 4 for sixteen CPU differences, 2 for four of memory", got)
	}
}

func TestKindsByName(t *testing.T) {
	for _, kind := range []Kind{Still, Office, Storm} {
		if got, err := ParseKind(kind.String()); err != nil || got != kind {
			t.Errorf("ParseKind(%q): got %v, %v", kind, got, err)
		}
	}
	if _, err := ParseKind("calm"); err == nil {
		t.Error("ParseKind with an unknown name: got no error")
	}
}

func BenchmarkAt(b *testing.B) {
	u := New(Office, 1)
	k := keys(1)[0]
	base := u.Base(k)
	for n := 0; b.Loop(); n++ {
		u.At(k, base, n)
	}
}
