package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"rollcall.dev/rollcall/master/view"
)

// document is the OpenAPI 3.1 document, made of the tables that requests are read by
// and the types that answers are made of.
func (a *API) document() schema {
	paths := schema{}
	for _, o := range slices.Concat(a.operations(), a.prometheusOperations(), heapsterOperations()) {
		methods, ok := paths[o.pattern].(schema)
		if !ok {
			methods = schema{}
			paths[o.pattern] = methods
		}
		methods[strings.ToLower(o.verb())] = o.document()
	}
	return schema{
		"openapi": "3.1.0",
		"info": schema{
			"title": "Rollcall master", "version": "v1",
			"description": "The live state of many Kubernetes clusters. Everything but signing in is read only. Times are RFC 3339 in UTC, amounts are in millicores and bytes.",
		},
		"paths":    paths,
		"security": []schema{{"bearer": []string{}}, {"certificate": []string{}}, {"cookie": []string{}}},
		"components": schema{
			"schemas": schemas(),
			"securitySchemes": schema{
				"bearer":      schema{"type": "http", "scheme": "bearer", "description": "A token of the hub."},
				"certificate": schema{"type": "mutualTLS", "description": "A client certificate that the hub accepts."},
				"cookie":      schema{"type": "apiKey", "in": "cookie", "name": secureCookie, "description": "What `POST /api/v1/session` sets."},
			},
		},
	}
}

func schemas() schema {
	all := schema{
		"Problem": schemaOf(reflect.TypeFor[Problem]()), "Status": schemaOf(reflect.TypeFor[status]()),
		"SignedIn": schemaOf(reflect.TypeFor[signedIn]()), "Credentials": schemaOf(reflect.TypeFor[credentials]()),
	}
	for name, shape := range view.Shapes() {
		all[name] = schemaOf(shape)
	}
	for name, shape := range heapsterShapes {
		all[name] = schemaOf(shape)
	}
	maps.Copy(all, prometheusShapes)
	objects := []schema{}
	for _, name := range []string{"Node", "Pod", "Container", "Port", "Summary", "Usage", "Session", "Cluster", "Bookmark", "FleetBookmark", "Status"} {
		objects = append(objects, refer(name))
	}
	all["Event"] = schema{
		"type": "object", "required": []string{"type", "object"}, "additionalProperties": false,
		"properties": schema{
			"type":            enum("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"),
			"kind":            enum("Node", "Pod", "Container", "Port", "Summary", "Usage", "Session", "Cluster"),
			"resourceVersion": schema{"type": "string", "description": "Where to resume after this event."},
			"cluster":         schema{"type": "string", "description": "On the fleet's stream: whose event it is."},
			"object":          schema{"anyOf": objects},
		},
	}
	return all
}

func (o *operation) document() schema {
	responses := schema{"200": o.success()}
	if o.shape == "" && o.media == "" {
		responses = schema{"204": schema{"description": "It is done."}}
	}
	for _, code := range o.statuses {
		answer := schema{"description": statusWords[code]}
		if code != http.StatusNotModified && o.pattern != "/readyz" || code == http.StatusMethodNotAllowed {
			answer["content"] = o.failed(code)
		}
		responses[strconv.Itoa(code)] = answer
	}
	d := schema{"operationId": o.id, "summary": o.words, "responses": responses}
	if parameters := o.parameters(); len(parameters) > 0 {
		d["parameters"] = parameters
	}
	switch o.takes {
	case "":
	case aForm:
		d["requestBody"] = schema{"content": schema{"application/x-www-form-urlencoded": schema{"schema": o.form()}}}
	default:
		d["requestBody"] = schema{"required": true, "content": schema{"application/json": schema{"schema": refer(o.takes)}}}
	}
	return d
}

// failed is how an error is told. Whoever's rules a route follows, what is no request of
// its kind at all is a Problem.
func (o *operation) failed(code int) schema {
	problem, none := "application/problem+json", schema{}
	content := schema{problem: schema{"schema": refer("Problem")}}
	switch {
	case o.failure == "" || code == http.StatusMethodNotAllowed:
	case !strings.Contains(o.failure, "/"):
		if code != http.StatusBadRequest {
			delete(content, problem)
		}
		content["application/json"] = schema{"schema": refer(o.failure)}
	case code == http.StatusBadRequest:
		content[o.failure] = none
	}
	return content
}

// form is a body with the parameters that the query string may have.
func (o *operation) form() schema {
	properties := schema{}
	for _, p := range o.others {
		properties[p["name"].(string)] = schema{"description": p["description"]}
	}
	return schema{"type": "object", "properties": properties}
}

func (o *operation) success() schema {
	if o.shape == "" {
		return schema{"description": o.words, "content": schema{o.media: schema{}}}
	}
	content := schema{"application/json": schema{"schema": refer(o.shape)}}
	words := "The answer."
	if o.watchable() {
		words = "The answer; with watch=true a stream of Events: JSON, one a line; as Server-Sent Events where Accept asks for text/event-stream; over a websocket, one a message, where Upgrade does."
		content["text/event-stream"] = schema{"schema": schema{"type": "string"}}
		content["application/json"] = schema{"schema": schema{"anyOf": []schema{refer(o.shape), refer("Event")}}}
	}
	return schema{"description": words, "content": content}
}

// parameters are those of the path, the tables', and view's.
func (o *operation) parameters() []schema {
	var all []schema
	for part := range strings.SplitSeq(o.pattern, "/") {
		if name := strings.Trim(part, "{}"); name != part {
			all = append(all, schema{
				"name": name, "in": "path", "required": true, "schema": schema{"type": "string"}, "description": pathWords[name],
			})
		}
	}
	all = append(all, o.others...)
	for _, p := range o.answer {
		all = append(all, p.document(""))
	}
	for _, f := range o.filters {
		all = append(all, filterDocument(f))
	}
	for _, p := range o.onlyWatch() {
		all = append(all, p.document("With watch=true: "))
	}
	if o.watchable() {
		all = append(all, schema{
			"name": lastEvent, "in": "header", "schema": schema{"type": "string"},
			"description": "With watch=true: the last id that an EventSource has seen; it goes before resourceVersion.",
		})
	}
	return all
}

// pathWords are what the parts of a path mean.
var pathWords = map[string]string{
	"cluster": "The cluster's name, or one of its clusterIPs.", "node": "A node's name.", "namespace": "A namespace's name.",
	"pod": "A pod's name.", "pods": "Names of pods, with commas between.", "container": "A container's name.",
	"label": "A label's name.", "metric": "A metric's name, such as cpu/usage_rate: its slash may be sent as it is.",
}

func (p *parameter) document(when string) schema {
	return schema{"name": p.name, "in": "query", "description": when + p.words, "schema": p.schema}
}

func filterDocument(f view.Parameter) schema {
	s := schema{"type": "string"}
	switch {
	case f.Number:
		s = integer(1, f.Most)
	case len(f.Values) > 0:
		s = enum(f.Values...)
	}
	words := f.Words
	if f.Paging {
		words = "Without watch: " + words
	}
	return schema{"name": f.Name, "in": "query", "description": words, "schema": s}
}

// published is the document as it is served, and as a page to read.
type published struct{ json, page []byte }

func (a *API) publish() (published, error) {
	encoded, err := json.Marshal(a.document())
	if err != nil {
		return published{}, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	page, err := pageOf(encoded)
	if err != nil {
		return published{}, err
	}
	return published{encoded, page}, nil
}

func (a *API) openAPI(w http.ResponseWriter, r *http.Request) error {
	p, err := a.published()
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Vary", "Accept-Encoding")
	return a.writeTagged(w, r, view.Body{p.json})
}

// openAPIPage asks nobody else for anything, and may not.
func (a *API) openAPIPage(w http.ResponseWriter, r *http.Request) error {
	p, err := a.published()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(p.page)))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	// Nobody is left to tell of an error to write.
	_, _ = w.Write(p.page)
	return nil
}
