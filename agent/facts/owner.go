package facts

import (
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// owner is who made a pod, as a person would say it. A Deployment names its
// ReplicaSets after itself and the hash of the template, which the pods carry as
// a label, so no ReplicaSet has to be read to know whose it is.
func owner(in *PodInput) state.Owner {
	if in.Controller.Kind == "" {
		return state.Owner{Kind: "Pod", Name: in.Name}
	}
	if in.Controller.Kind == "ReplicaSet" && in.TemplateHash != "" {
		if deployment, ok := strings.CutSuffix(in.Controller.Name, "-"+in.TemplateHash); ok && deployment != "" {
			return state.Owner{Kind: "Deployment", Name: deployment}
		}
	}
	return in.Controller
}
