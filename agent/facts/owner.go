package facts

import (
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// owner returns the workload of a pod. A Deployment names its ReplicaSets after itself
// and the hash of the template, which the pods carry as a label, so no ReplicaSet has
// to be read to know whose it is; Argo Rollouts do the same under a label of their own.
func owner(in *PodInput) state.Owner {
	if in.Controller.Kind == "" {
		return state.Owner{Kind: "Pod", Name: in.Name}
	}
	if in.Controller.Kind != "ReplicaSet" {
		return in.Controller
	}
	for _, maker := range []struct{ kind, hash string }{{"Rollout", in.RolloutHash}, {"Deployment", in.TemplateHash}} {
		if maker.hash == "" {
			continue
		}
		if name, ok := strings.CutSuffix(in.Controller.Name, "-"+maker.hash); ok && name != "" {
			return state.Owner{Kind: maker.kind, Name: name}
		}
	}
	return in.Controller
}
