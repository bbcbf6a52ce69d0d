package httpapi

import (
	"bytes"
	"encoding/json"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/view"
)

// errorLine returns the ERROR event for a problem.
func errorLine(p *httpv1.Problem, f view.Framing, cluster string) []byte {
	// Encoding structs of strings cannot fail.
	object, _ := json.Marshal(httpv1.Status{APIVersion: "v1", Kind: "Status", Status: "Failure", Reason: p.Reason, Code: p.Status, Message: p.Detail})
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(httpv1.Event{Type: httpv1.ErrorEvent, Object: object})
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
