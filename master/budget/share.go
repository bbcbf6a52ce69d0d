package budget

import (
	"cmp"
	"slices"
)

// fairShare returns the share of total that each of several claims may have at least: the
// largest level at which all claims, none counted above it, fit into total. Claims below
// it leave what they do not take to the others (max-min fairness). It is total where all
// fit.
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

// decide returns what follows where the claim at index i has grown to what claims has of
// it. It is refused where it is above its fair share of total. Where it is not, the others
// give way that take most, as many as it needs; all of them are above their share.
func decide(claims []int64, i int, total int64) (refused bool, giveWay []int) {
	var sum int64
	for _, claim := range claims {
		sum += claim
	}
	if sum <= total {
		return false, nil
	}
	if claims[i] > fairShare(claims, total) {
		return true, nil
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
			giveWay = append(giveWay, j)
			sum -= claims[j]
		}
	}
	return false, giveWay
}
