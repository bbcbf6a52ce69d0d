package load

import "math"

// Entropy returns how many bits a value takes on average, if the differences between two
// readings are encoded independently of each other: the mean of the order-0 entropies of
// the CPU differences in millicores and of the memory differences in KiB. before and after
// must hold the same keys in the same order.
//
// It is estimated from the differences themselves, so it cannot exceed log2 of their
// number: for few keys it is too low.
func Entropy(before, after []Used) float64 {
	cpu, memory := map[int64]int{}, map[int64]int{}
	for i, b := range before {
		cpu[after[i].CPUMillis-b.CPUMillis]++
		memory[after[i].MemoryBytes>>10-b.MemoryBytes>>10]++
	}
	return (entropyBits(cpu, len(before)) + entropyBits(memory, len(before))) / 2
}

// entropyBits returns the entropy of a distribution of n values, given their counts.
func entropyBits(counts map[int64]int, n int) float64 {
	sum := 0.0
	for _, count := range counts {
		p := float64(count) / float64(n)
		sum -= p * math.Log2(p)
	}
	return sum
}
