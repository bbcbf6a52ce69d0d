package informer

import "rollcall.dev/rollcall/agent/facts"

func claimInput(claim *claimObject) *facts.ClaimInput {
	capacity := amounts(claim.Slim.GetStatus().GetCapacity())
	return &facts.ClaimInput{
		Namespace:     claim.Namespace,
		Name:          claim.Name,
		CapacityBytes: capacity.Storage().Value(),
	}
}
