package facts

import (
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// podOwner returns the workload of a pod: its controller, or the pod itself if it has none. For a ReplicaSet of a
// Deployment it returns the Deployment. The name of such a ReplicaSet consists of the Deployment's name and the hash
// of the pod template, which pods have as a label, so the ReplicaSet does not have to be read. Argo Rollouts do the
// same with a different label.
func podOwner(in *PodInput) state.Owner {
	if in.Controller.Kind == "" {
		return state.Owner{Kind: "Pod", Name: in.Name}
	}
	if in.Controller.Kind != "ReplicaSet" {
		return in.Controller
	}
	for _, workload := range []struct{ kind, hash string }{{"Rollout", in.RolloutHash}, {"Deployment", in.TemplateHash}} {
		if workload.hash == "" {
			continue
		}
		if name, ok := strings.CutSuffix(in.Controller.Name, "-"+workload.hash); ok && name != "" {
			return state.Owner{Kind: workload.kind, Name: name}
		}
	}
	return in.Controller
}
