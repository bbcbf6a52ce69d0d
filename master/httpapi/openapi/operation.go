package openapi

import (
	"net/http"
	"strconv"
	"strings"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// Operation is one method of a path.
type Operation struct {
	Method, Path string
	// ID is unique among all operations.
	ID, Summary string
	// Parameters holds those of the query string and of headers. Those of the path are derived from Path.
	Parameters []Parameter
	// Schema is the name of the schema of a JSON response; if it is empty, MediaType is the type of the response. If
	// both are empty, a success has no body.
	Schema, MediaType string
	// Body is the name of the schema of the request body, or Form; empty if there is no body.
	Body string
	// Watchable is set if a success is a stream of events with watch=true.
	Watchable bool
	// Statuses holds the status codes of errors and of 304.
	Statuses []int
	// Errors is the name of the schema or the media type of errors, or AnyErrors; empty for a Problem. It does not apply
	// to 405.
	Errors string
}

const (
	// Form is a request body with the parameters of the query string.
	Form = "form"
	// AnyErrors are errors whose bodies are not described.
	AnyErrors = "any"
)

// Parameter is a parameter of the query string or of a header, or, with the value path of In, of the path.
type Parameter struct {
	Description string `json:"description"`
	In          string `json:"in"`
	Name        string `json:"name"`
	Required    bool   `json:"required,omitempty"`
	Schema      Schema `json:"schema"`
}

func (o *Operation) document() Schema {
	responses := Schema{"200": o.success()}
	if o.Schema == "" && o.MediaType == "" {
		responses = Schema{"204": Schema{"description": "Success."}}
	}
	for _, code := range o.Statuses {
		response := Schema{"description": statusDescriptions[code]}
		if content := o.errorContent(code); len(content) > 0 {
			response["content"] = content
		}
		responses[strconv.Itoa(code)] = response
	}
	d := Schema{"operationId": o.ID, "summary": o.Summary, "responses": responses}
	if parameters := append(o.pathParameters(), o.Parameters...); len(parameters) > 0 {
		d["parameters"] = parameters
	}
	switch o.Body {
	case "":
	case Form:
		d["requestBody"] = Schema{"content": Schema{"application/x-www-form-urlencoded": Schema{"schema": o.formSchema()}}}
	default:
		d["requestBody"] = Schema{"required": true, "content": Schema{httpv1.JSONMediaType: Schema{"schema": ref(o.Body)}}}
	}
	return d
}

// errorContent returns the content of an error response, empty if it has none. Operations with their own format of
// errors also return Problems, for requests that are not valid HTTP requests of theirs.
func (o *Operation) errorContent(code int) Schema {
	if code == http.StatusNotModified || o.Errors == AnyErrors && code != http.StatusMethodNotAllowed {
		return nil
	}
	content := Schema{httpv1.ProblemMediaType: Schema{"schema": ref("Problem")}}
	switch {
	case o.Errors == "" || code == http.StatusMethodNotAllowed:
	case !strings.Contains(o.Errors, "/"):
		if code != http.StatusBadRequest {
			delete(content, httpv1.ProblemMediaType)
		}
		content[httpv1.JSONMediaType] = Schema{"schema": ref(o.Errors)}
	case code == http.StatusBadRequest:
		content[o.Errors] = Schema{}
	}
	return content
}

// formSchema returns the schema of a form with the parameters that the query string may have.
func (o *Operation) formSchema() Schema {
	properties := Schema{}
	for _, p := range o.Parameters {
		properties[p.Name] = Schema{"description": p.Description}
	}
	return Schema{"type": "object", "properties": properties}
}

func (o *Operation) success() Schema {
	if o.Schema == "" {
		return Schema{"description": o.Summary, "content": Schema{o.MediaType: Schema{}}}
	}
	content := Schema{httpv1.JSONMediaType: Schema{"schema": ref(o.Schema)}}
	words := "Success."
	if o.Watchable {
		words = "Success. With watch=true, a stream of Events: as JSON, one per line; as server-sent events if Accept prefers text/event-stream; over a websocket, one per message, if Upgrade requests it."
		content["text/event-stream"] = Schema{"schema": String()}
		content[httpv1.WatchMediaType] = Schema{"schema": ref("Event")}
	}
	return Schema{"description": words, "content": content}
}

func (o *Operation) pathParameters() []Parameter {
	var all []Parameter
	for part := range strings.SplitSeq(o.Path, "/") {
		if name := strings.Trim(part, "{}"); name != part {
			all = append(all, Parameter{Name: name, In: "path", Required: true, Schema: String(), Description: pathDescriptions[name]})
		}
	}
	return all
}

// pathDescriptions describes the path parameters.
var pathDescriptions = map[string]string{
	"cluster": "Name of the cluster, or one of its clusterIPs.", "node": "Name of the node.", "namespace": "Name of the namespace.",
	"pod": "Name of the pod.", "pods": "Names of pods, separated by commas.", "container": "Name of the container.",
	"label": "Name of the label.", "metric": "Name of the metric, such as cpu/usage_rate; the slash need not be escaped.",
}

// statusDescriptions describes the status codes in the document.
var statusDescriptions = map[int]string{
	http.StatusNotModified:           "Not modified: If-None-Match contains the current ETag.",
	http.StatusBadRequest:            "Invalid request; `parameter` names the invalid parameter.",
	http.StatusUnauthorized:          "The caller is not authenticated.",
	http.StatusForbidden:             "The caller is not authorized.",
	http.StatusNotFound:              "The cluster does not exist, or the caller may not know about it.",
	http.StatusMethodNotAllowed:      "The path does not support this method; Allow lists the supported methods.",
	http.StatusConflict:              "The cluster is suspended.",
	http.StatusGone:                  "The resourceVersion is too old or unknown; start again without it.",
	http.StatusRequestTimeout:        "The request body did not arrive in time.",
	http.StatusRequestEntityTooLarge: "The request body is longer than any token.",
	http.StatusUnprocessableEntity:   "The query cannot be evaluated.",
	http.StatusTooManyRequests:       "Too many invalid tokens from the caller's address, or too many pending access reviews of the caller; Retry-After says when to retry.",
	http.StatusUnsupportedMediaType:  "The request body is not application/json.",
	http.StatusInternalServerError:   "Internal error of the master.",
	http.StatusServiceUnavailable:    "The agent cannot be reached, access cannot be reviewed, the registered clusters cannot be read, or this master is not ready or is shutting down; Retry-After says when to retry.",
	http.StatusGatewayTimeout:        "No report arrived in time.",
}
