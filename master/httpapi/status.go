package httpapi

import (
	"bytes"
	"encoding/json"

	"rollcall.dev/rollcall/master/view"
)

// status is Kubernetes' metav1.Status, as the object of an ERROR event.
type status struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   struct{} `json:"metadata"`
	Status     string   `json:"status"`
	Reason     string   `json:"reason"`
	Code       int      `json:"code"`
	Message    string   `json:"message"`
}

// errorEvent is an ERROR event; it carries no version.
type errorEvent struct {
	Type   string `json:"type"`
	Object status `json:"object"`
}

// errorLine is the ERROR event that tells of a problem.
func errorLine(p *Problem, f view.Framing, cluster string) []byte {
	e := errorEvent{Type: "ERROR", Object: status{APIVersion: "v1", Kind: "Status", Status: "Failure", Reason: p.Reason, Code: p.Status, Message: p.Detail}}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	// A struct of strings is always JSON.
	_ = enc.Encode(e)
	if cluster == "" {
		f = alone(f)
	}
	return view.Frame(line.Bytes(), f, cluster)
}

// alone is a framing without the name of a cluster.
func alone(f view.Framing) view.Framing {
	switch f {
	case view.FleetLines:
		return view.Lines
	case view.FleetServerSent:
		return view.ServerSent
	}
	return f
}
