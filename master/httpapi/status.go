package httpapi

import (
	"bytes"
	"encoding/json"

	"rollcall.dev/rollcall/master/view"
)

// status is a metav1.Status of Kubernetes, the object of an ERROR event.
type status struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   struct{} `json:"metadata"`
	Status     string   `json:"status"`
	Reason     string   `json:"reason"`
	Code       int      `json:"code"`
	Message    string   `json:"message"`
}

// errorEvent is an ERROR event. It has no resourceVersion.
type errorEvent struct {
	Type   string `json:"type"`
	Object status `json:"object"`
}

// errorLine returns the ERROR event for a problem.
func errorLine(p *Problem, f view.Framing, cluster string) []byte {
	e := errorEvent{Type: "ERROR", Object: status{APIVersion: "v1", Kind: "Status", Status: "Failure", Reason: p.Reason, Code: p.Status, Message: p.Detail}}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	// Encoding a struct of strings cannot fail.
	_ = enc.Encode(e)
	if cluster == "" {
		f = withoutCluster(f)
	}
	return view.Frame(line.Bytes(), f, cluster)
}

// withoutCluster returns the corresponding framing without the name of a cluster.
func withoutCluster(f view.Framing) view.Framing {
	switch f {
	case view.JSONLinesWithCluster:
		return view.JSONLines
	case view.SSEWithCluster:
		return view.SSE
	}
	return f
}
