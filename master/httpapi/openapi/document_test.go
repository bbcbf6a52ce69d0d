package openapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

type phase uint8

func (p phase) MarshalText() ([]byte, error) {
	names := []string{"idle", "busy"}
	if int(p) >= len(names) {
		return []byte("unknown"), nil
	}
	return []byte(names[p]), nil
}

type base struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

type widget struct {
	*base
	Phase  phase    `json:"phase"`
	Before phase    `json:"before,omitempty"`
	Parts  []string `json:"parts"`
	Secret string   `json:"-"`
}

// describe returns the document of operations and one type, as a client decodes it.
func describe(t *testing.T, operations ...Operation) map[string]any {
	t.Helper()
	api := API{
		Operations: operations, Cookie: "crumb", Types: map[string]reflect.Type{"Widget": reflect.TypeFor[widget]()},
		Schemas: map[string]Schema{"Sorry": {"type": "object"}},
	}
	document, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	var decoded map[string]any
	if err := json.Unmarshal(document.JSON, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// at returns the value below some keys as JSON.
func at(t *testing.T, v any, keys ...string) string {
	t.Helper()
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSchemasOfGoTypes(t *testing.T) {
	schemas := []string{"components", "schemas"}
	d := describe(t)
	for _, tc := range []struct {
		keys []string
		want string
	}{
		{[]string{"phase"}, `{"enum":["idle","busy"],"type":"string"}`},
		{[]string{"Widget", "required"}, `["name","count","phase","parts"]`},
		{[]string{"Widget", "properties", "phase"}, `{"$ref":"#/components/schemas/phase"}`},
		{[]string{"Widget", "properties", "before"}, `{"$ref":"#/components/schemas/phase"}`},
		{[]string{"Widget", "properties", "parts"}, `{"items":{"type":"string"},"type":"array"}`},
		{[]string{"Widget", "properties", "Secret"}, `null`},
		{[]string{"Sorry"}, `{"type":"object"}`},
	} {
		if got := at(t, d, slices.Concat(schemas, tc.keys)...); got != tc.want {
			t.Errorf("%s: got %s, want %s", strings.Join(tc.keys, "."), got, tc.want)
		}
	}
}

func TestTwoTypesWithOneNameAreAnError(t *testing.T) {
	type Widget struct{ Other int }
	type pair struct {
		Own Widget `json:"own"`
	}
	api := API{Types: map[string]reflect.Type{"Widget": reflect.TypeFor[widget](), "Pair": reflect.TypeFor[pair]()}}
	if _, err := api.Document(); err == nil || !strings.Contains(err.Error(), "Widget") {
		t.Errorf("got %v, want an error that names Widget", err)
	}
}

func TestOperationsAreDescribed(t *testing.T) {
	d := describe(t,
		Operation{Method: "GET", Path: "/things/{cluster}", ID: "getThing", Schema: "Widget", Watchable: true, Statuses: []int{304, 404, 405}, Parameters: []Parameter{{Name: "q", In: "query", Schema: String()}}},
		Operation{Method: "POST", Path: "/things/{cluster}", ID: "postThing", Schema: "Widget", Body: Form, Errors: "Sorry", Statuses: []int{400, 404, 405}, Parameters: []Parameter{{Name: "q", In: "query"}}},
		Operation{Method: "DELETE", Path: "/things/{cluster}", ID: "deleteThing", Errors: "text/plain", Statuses: []int{400, 404}},
		Operation{Method: "GET", Path: "/health", ID: "health", MediaType: "text/plain", Errors: AnyErrors, Statuses: []int{405, 503}},
	)
	problem := `{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}`
	sorry := `{"application/json":{"schema":{"$ref":"#/components/schemas/Sorry"}}}`
	for _, tc := range []struct {
		keys []string
		want string
	}{
		{[]string{"/things/{cluster}", "get", "responses", "304", "content"}, `null`},
		{[]string{"/things/{cluster}", "get", "responses", "404", "content"}, problem},
		{[]string{"/things/{cluster}", "get", "responses", "200", "content", "application/json;stream=watch"}, `{"schema":{"$ref":"#/components/schemas/Event"}}`},
		{[]string{"/things/{cluster}", "post", "requestBody", "content", "application/x-www-form-urlencoded", "schema", "properties"}, `{"q":{"description":""}}`},
		{[]string{"/things/{cluster}", "post", "responses", "400", "content"}, strings.TrimSuffix(sorry, "}") + "," + strings.TrimPrefix(problem, "{")},
		{[]string{"/things/{cluster}", "post", "responses", "404", "content"}, sorry},
		{[]string{"/things/{cluster}", "post", "responses", "405", "content"}, problem},
		{[]string{"/things/{cluster}", "delete", "responses", "204"}, `{"description":"Success."}`},
		{[]string{"/things/{cluster}", "delete", "responses", "400", "content"}, strings.TrimSuffix(problem, "}") + `,"text/plain":{}}`},
		{[]string{"/things/{cluster}", "delete", "responses", "404", "content"}, problem},
		{[]string{"/health", "get", "responses", "503", "content"}, `null`},
		{[]string{"/health", "get", "responses", "405", "content"}, problem},
	} {
		if got := at(t, d["paths"], tc.keys...); got != tc.want {
			t.Errorf("%s: got %s, want %s", strings.Join(tc.keys, " "), got, tc.want)
		}
	}
	parameters := at(t, d["paths"], "/things/{cluster}", "get", "parameters")
	if !strings.HasPrefix(parameters, `[{"description":"Name of the cluster`) || !strings.Contains(parameters, `"in":"path","name":"cluster","required":true`) || !strings.Contains(parameters, `"in":"query","name":"q"`) {
		t.Errorf("got parameters %s, want that of the path, then q", parameters)
	}
	if got := at(t, d, "components", "securitySchemes", "cookie", "name"); got != `"crumb"` {
		t.Errorf("got cookie %s, want crumb", got)
	}
}
