package budget

import (
	"cmp"
	"slices"
)

// fairShare returns the max-min fair share of total: the largest limit such that the sum of the
// needs, each reduced to at most this limit, does not exceed total. It returns total if the
// needs do not exceed it.
func fairShare(needs []int64, total int64) int64 {
	sorted := slices.Sorted(slices.Values(needs))
	left := total
	for i, need := range sorted {
		level := left / int64(len(sorted)-i)
		if need > level {
			return level
		}
		left -= need
	}
	return total
}

// planEviction decides what happens if the need at index i grows to needs[i] and the sum exceeds
// total. It returns the fair share. refused is set if needs[i] exceeds the share. Otherwise evict
// has the indexes of the largest other needs, as many as necessary. All of them exceed the share.
func planEviction(needs []int64, i int, total int64) (share int64, refused bool, evict []int) {
	var sum int64
	for _, need := range needs {
		sum += need
	}
	if share = fairShare(needs, total); sum <= total || needs[i] > share {
		return share, sum > total, nil
	}
	order := make([]int, len(needs))
	for j := range order {
		order[j] = j
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(needs[b], needs[a]), cmp.Compare(a, b)) })
	for _, j := range order {
		if sum <= total {
			break
		}
		if j != i {
			evict = append(evict, j)
			sum -= needs[j]
		}
	}
	return share, false, evict
}
