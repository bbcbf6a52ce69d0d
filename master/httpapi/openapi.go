package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/view"
)

// openAPIDocument returns the OpenAPI 3.1 document. It is generated from the tables that parse
// requests and the types that are encoded in responses.
func (a *API) openAPIDocument() (schema, error) {
	components, err := schemas()
	if err != nil {
		return nil, err
	}
	paths := schema{}
	for _, o := range slices.Concat(a.operations(), a.prometheusOperations(), heapsterOperations()) {
		methods, ok := paths[o.pattern].(schema)
		if !ok {
			methods = schema{}
			paths[o.pattern] = methods
		}
		methods[strings.ToLower(o.httpMethod())] = o.document()
	}
	return schema{
		"openapi": "3.1.0",
		"info": schema{
			"title": "Rollcall master", "version": "v1",
			"description": "The live state of many Kubernetes clusters. The API is read-only, except for signing in and out. Times are RFC 3339 in UTC, amounts are in millicores and bytes.",
		},
		"servers":  []schema{{"url": "/", "description": "This master."}},
		"paths":    paths,
		"security": []schema{{"bearer": []string{}}, {"certificate": []string{}}, {"cookie": []string{}}},
		"components": schema{
			"schemas": components,
			"securitySchemes": schema{
				"bearer":      schema{"type": "http", "scheme": "bearer", "description": "A token for the hub cluster."},
				"certificate": schema{"type": "mutualTLS", "description": "A client certificate that the hub accepts."},
				"cookie":      schema{"type": "apiKey", "in": "cookie", "name": secureCookie, "description": "The cookie that `POST /api/v1/session` sets."},
			},
		},
	}, nil
}

// schemas returns the components of the document.
func schemas() (schema, error) {
	types := maps.Clone(contractTypes)
	maps.Copy(types, heapsterSchemas)
	set, err := newSchemaSet(types)
	if err != nil {
		return nil, err
	}
	all := schema{}
	for name, component := range set.components {
		all[name] = component
	}
	maps.Copy(all, prometheusSchemas)
	all["Event"] = schema{"oneOf": eventSchemas()}
	return all, nil
}

// eventObjects holds the schema of the object of each kind of event.
var eventObjects = []struct {
	kind       httpv1.Kind
	schemaName string
}{
	{httpv1.KindNode, "Node"},
	{httpv1.KindPod, "Pod"},
	{httpv1.KindContainer, "Container"},
	{httpv1.KindPort, "Port"},
	{httpv1.KindSummary, "Summary"},
	{httpv1.KindUsage, "Usage"},
	{httpv1.KindSession, "Session"},
	{httpv1.KindCluster, "Cluster"},
}

// eventSchemas returns the alternatives of an httpv1.Event: one for each kind of object, and those of
// BOOKMARK and ERROR, which have no kind.
func eventSchemas() []schema {
	var all []schema
	for _, o := range eventObjects {
		e := eventSchema(ref(o.schemaName), httpv1.Added, httpv1.Modified, httpv1.Deleted)
		e["properties"].(schema)["kind"] = enum(string(o.kind))
		e["required"] = []string{"type", "kind", "resourceVersion", "object"}
		all = append(all, e)
	}
	bookmark := eventSchema(schema{"anyOf": []schema{ref("Bookmark"), ref("FleetBookmark")}}, httpv1.BookmarkEvent)
	bookmark["required"] = []string{"type", "resourceVersion", "object"}
	failure := eventSchema(ref("Status"), httpv1.ErrorEvent)
	failure["required"] = []string{"type", "object"}
	return append(all, bookmark, failure)
}

func eventSchema(object schema, types ...httpv1.EventType) schema {
	return schema{
		"type": "object", "additionalProperties": false,
		"properties": schema{
			"type":            enum(text(types...)...),
			"resourceVersion": schema{"type": "string", "description": "Where to resume after this event."},
			"cluster":         schema{"type": "string", "description": "Name of the cluster, in streams of the list of clusters."},
			"object":          object,
		},
	}
}

func (o *operation) document() schema {
	responses := schema{"200": o.success()}
	if o.schemaName == "" && o.mediaType == "" {
		responses = schema{"204": schema{"description": "Success."}}
	}
	for _, code := range o.statuses {
		response := schema{"description": statusDescriptions[code]}
		if code != http.StatusNotModified && o.pattern != "/readyz" || code == http.StatusMethodNotAllowed {
			response["content"] = o.errorContent(code)
		}
		responses[strconv.Itoa(code)] = response
	}
	d := schema{"operationId": o.id, "summary": o.summary, "responses": responses}
	if parameters := o.parameters(); len(parameters) > 0 {
		d["parameters"] = parameters
	}
	switch o.bodySchema {
	case "":
	case formBody:
		d["requestBody"] = schema{"content": schema{"application/x-www-form-urlencoded": schema{"schema": o.formSchema()}}}
	default:
		d["requestBody"] = schema{"required": true, "content": schema{"application/json": schema{"schema": ref(o.bodySchema)}}}
	}
	return d
}

// errorContent returns the content of an error response. Operations of Prometheus and Heapster use
// their own error formats, except for requests that are not valid HTTP requests of theirs.
func (o *operation) errorContent(code int) schema {
	problem, none := "application/problem+json", schema{}
	content := schema{problem: schema{"schema": ref("Problem")}}
	switch {
	case o.errorFormat == "" || code == http.StatusMethodNotAllowed:
	case !strings.Contains(o.errorFormat, "/"):
		if code != http.StatusBadRequest {
			delete(content, problem)
		}
		content["application/json"] = schema{"schema": ref(o.errorFormat)}
	case code == http.StatusBadRequest:
		content[o.errorFormat] = none
	}
	return content
}

// formSchema returns the schema of a form with the parameters that the query string may have.
func (o *operation) formSchema() schema {
	properties := schema{}
	for _, p := range o.extraParameters {
		properties[p["name"].(string)] = schema{"description": p["description"]}
	}
	return schema{"type": "object", "properties": properties}
}

func (o *operation) success() schema {
	if o.schemaName == "" {
		return schema{"description": o.summary, "content": schema{o.mediaType: schema{}}}
	}
	content := schema{jsonMediaType: schema{"schema": ref(o.schemaName)}}
	words := "Success."
	if o.watchable() {
		words = "Success. With watch=true, a stream of Events: as JSON, one per line; as server-sent events if Accept prefers text/event-stream; over a websocket, one per message, if Upgrade requests it."
		content["text/event-stream"] = schema{"schema": schema{"type": "string"}}
		content[watchMediaType] = schema{"schema": ref("Event")}
	}
	return schema{"description": words, "content": content}
}

// parameters returns all parameters: those of the path, of the tables, and of view.
func (o *operation) parameters() []schema {
	var all []schema
	for part := range strings.SplitSeq(o.pattern, "/") {
		if name := strings.Trim(part, "{}"); name != part {
			all = append(all, schema{
				"name": name, "in": "path", "required": true, "schema": schema{"type": "string"}, "description": pathDescriptions[name],
			})
		}
	}
	all = append(all, o.extraParameters...)
	for _, p := range o.getParameters {
		all = append(all, p.document(""))
	}
	for _, f := range o.filters {
		all = append(all, filterDocument(f))
	}
	for _, p := range o.watchOnly() {
		all = append(all, p.document("With watch=true: "))
	}
	if o.watchable() {
		all = append(all, schema{
			"name": lastEventIDHeader, "in": "header", "schema": schema{"type": "string"},
			"description": "With watch=true: the last event id that an EventSource received; overrides resourceVersion.",
		})
	}
	return all
}

// pathDescriptions describes the path parameters.
var pathDescriptions = map[string]string{
	"cluster": "Name of the cluster, or one of its clusterIPs.", "node": "Name of the node.", "namespace": "Name of the namespace.",
	"pod": "Name of the pod.", "pods": "Names of pods, separated by commas.", "container": "Name of the container.",
	"label": "Name of the label.", "metric": "Name of the metric, such as cpu/usage_rate; the slash need not be escaped.",
}

func (p *parameter) document(when string) schema {
	return schema{"name": p.name, "in": "query", "description": when + p.description, "schema": p.schema}
}

func filterDocument(f view.Parameter) schema {
	s := schema{"type": "string"}
	switch {
	case f.IsNumber:
		s = integer(1, f.Max)
	case len(f.Values) > 0:
		s = enum(f.Values...)
	}
	words := f.Description
	if f.Paging {
		words = "Without watch: " + words
	}
	return schema{"name": f.Name, "in": "query", "description": words, "schema": s}
}

// openAPIDocs is the OpenAPI document as JSON and as an HTML page.
type openAPIDocs struct{ json, page []byte }

func (a *API) renderOpenAPI() (openAPIDocs, error) {
	document, err := a.openAPIDocument()
	if err != nil {
		return openAPIDocs{}, fmt.Errorf("create the OpenAPI document: %w", err)
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		return openAPIDocs{}, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	page, err := renderPage(encoded)
	if err != nil {
		return openAPIDocs{}, err
	}
	return openAPIDocs{encoded, page}, nil
}

func (a *API) serveOpenAPI(w http.ResponseWriter, r *http.Request) error {
	p, err := a.openAPI()
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Vary", "Accept-Encoding")
	return a.writeWithETag(w, r, view.Body{p.json})
}

// serveOpenAPIPage serves the OpenAPI document as an HTML page. Its Content-Security-Policy forbids the
// page to load anything.
func (a *API) serveOpenAPIPage(w http.ResponseWriter, r *http.Request) error {
	p, err := a.openAPI()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(p.page)))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	// A failed write means that the client has disconnected.
	_, _ = w.Write(p.page)
	return nil
}

// text returns named strings as strings.
func text[T ~string](values ...T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
