package budget

import (
	"cmp"
	"slices"
)

// fairShare returns the max-min fair share of total: the largest level at which the claims,
// each cut to it, fit into total. It is total if all claims fit.
func fairShare(claims []int64, total int64) int64 {
	sorted := slices.Sorted(slices.Values(claims))
	left := total
	for i, claim := range sorted {
		level := left / int64(len(sorted)-i)
		if claim > level {
			return level
		}
		left -= claim
	}
	return total
}

// decide returns the fair share of total, and what follows if the claim at index i grows to
// claims[i]: it is refused if it is above the share. Otherwise the largest other claims give
// way, as many as are needed; all of them are above the share.
func planEviction(claims []int64, i int, total int64) (share int64, refused bool, evict []int) {
	var sum int64
	for _, claim := range claims {
		sum += claim
	}
	if share = fairShare(claims, total); sum <= total || claims[i] > share {
		return share, sum > total, nil
	}
	order := make([]int, len(claims))
	for j := range order {
		order[j] = j
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(claims[b], claims[a]), cmp.Compare(a, b)) })
	for _, j := range order {
		if sum <= total {
			break
		}
		if j != i {
			evict = append(evict, j)
			sum -= claims[j]
		}
	}
	return share, false, evict
}
