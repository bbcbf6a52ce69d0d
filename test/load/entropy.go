package load

import "math"

// Entropy is how many bits a value the differences between two readings need at
// least, if each is told without regard to its neighbours: the order-0 entropy of
// the CPU differences in millicores and that of the memory differences in KiB, each
// over its own frequencies, and the mean of the two. before and after hold the same
// keys in the same order.
//
// It is estimated from the differences themselves and can not exceed log2 of their
// number: for few keys it is too low.
func Entropy(before, after []Used) float64 {
	cpu, memory := map[int64]int{}, map[int64]int{}
	for i, b := range before {
		cpu[after[i].CPUMillis-b.CPUMillis]++
		memory[after[i].MemoryBytes>>10-b.MemoryBytes>>10]++
	}
	return (bits(cpu, len(before)) + bits(memory, len(before))) / 2
}

// bits is the entropy of a distribution of n values by their counts.
func bits(counts map[int64]int, n int) float64 {
	sum := 0.0
	for _, count := range counts {
		p := float64(count) / float64(n)
		sum -= p * math.Log2(p)
	}
	return sum
}
