package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/httpapi/signin"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

// contract is the OpenAPI document as a client decodes it.
type contract struct {
	t          *testing.T
	Paths      map[string]struct{ Get, Post, Delete *route }
	Components struct{ Schemas map[string]map[string]any }

	resolved map[string]*jsonschema.Resolved // by the JSON of the schema
}

type route struct {
	OperationID string
	Parameters  []struct {
		Name, In string
		Schema   map[string]any
	}
	Responses map[string]struct {
		Content map[string]struct{ Schema map[string]any }
	}
}

func readContract(t *testing.T, api http.Handler) *contract {
	t.Helper()
	w := get(api, "/api/openapi.json")
	c := &contract{t: t, resolved: map[string]*jsonschema.Resolved{}}
	if err := json.Unmarshal(w.Body.Bytes(), c); err != nil || w.Code != 200 {
		t.Fatalf("%d, %v", w.Code, err)
	}
	return c
}

// check validates a value against a schema of the document.
func (c *contract) check(s map[string]any, v any, where string) error {
	key, err := json.Marshal(s)
	if err != nil {
		return err
	}
	resolved, ok := c.resolved[string(key)]
	if !ok {
		if resolved, err = c.resolve(s); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		c.resolved[string(key)] = resolved
	}
	if err := resolved.Validate(v); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

// resolve resolves a schema together with the components that it refers to.
func (c *contract) resolve(s map[string]any) (*jsonschema.Resolved, error) {
	text, err := json.Marshal(map[string]any{"$defs": c.Components.Schemas, "allOf": []any{s}})
	if err != nil {
		return nil, err
	}
	var root jsonschema.Schema
	if err := json.Unmarshal(bytes.ReplaceAll(text, []byte("#/components/schemas/"), []byte("#/$defs/")), &root); err != nil {
		return nil, err
	}
	return root.Resolve(nil)
}

// checkResponse checks that the status of a response is documented and that its body matches the schema.
func (c *contract) checkResponse(path string, w *httptest.ResponseRecorder) {
	c.t.Helper()
	c.checkRoute(path, c.Paths[path].Get, w)
}

func (c *contract) checkRoute(path string, r *route, w *httptest.ResponseRecorder) {
	c.t.Helper()
	response, ok := r.Responses[fmt.Sprint(w.Code)]
	if !ok {
		c.t.Errorf("%s: got status %d, want a documented one", path, w.Code)
		return
	}
	media, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	content, ok := response.Content[media]
	if w.Code == http.StatusNotModified || w.Code == http.StatusNoContent || len(content.Schema) == 0 && ok || path == "/readyz" && w.Code == 503 {
		return
	}
	var body any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || !ok {
		c.t.Errorf("%s, %d: got content type %s (%v), want a documented one", path, w.Code, media, err)
		return
	}
	if err := c.check(content.Schema, body, "body"); err != nil {
		c.t.Errorf("%s, %d: got %v, want a body of the schema", path, w.Code, err)
	}
}

// example returns a valid value of a parameter.
func example(name string, s map[string]any) string {
	if words, ok := s["enum"].([]any); ok {
		return fmt.Sprint(words[len(words)-1])
	}
	if least, ok := s["minimum"]; ok {
		return fmt.Sprint(least)
	}
	if s["type"] == "boolean" {
		return "false"
	}
	return map[string]string{"timeout": "1s", "resourceVersion": "0", "continue": "cHJvZA", "demand": "prod-eu", "detail": "prod-eu"}[name]
}

func TestDocumentedParametersAreAccepted(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		c := readContract(t, api)
		for path, methods := range c.Paths {
			for _, p := range methods.Get.Parameters {
				if p.In != "query" || !parsedHere(path) {
					continue
				}
				value := example(p.Name, p.Schema)
				if value == "" {
					value = "web"
				}
				query := url.Values{p.Name: {value}}
				if isWatchOnly(p.Name) {
					query.Set("watch", "true")
				}
				target := targetOf(path, "prod-eu") + "?" + query.Encode()
				w := watching(t, api, target, nil)
				if text := w.text(); w.status == 400 && (strings.Contains(text, "unknown parameter") || strings.Contains(text, "not supported")) {
					t.Errorf("%s: got %s, want the parameter accepted", target, text)
				}
				w.cancel()
			}
		}
	})
}

// isWatchOnly reports whether the document describes a parameter as valid only with watch=true.
func isWatchOnly(name string) bool {
	for _, p := range commonWatchParameters {
		if p.name == name && name != "watch" {
			return true
		}
	}
	return slices.Contains([]string{"resourceVersion", "demand", "detail"}, name)
}

func TestUndocumentedParametersAreRejected(t *testing.T) {
	c := readContract(t, shop(t).prometheusAPI(nil))
	all := map[string]bool{}
	for path, methods := range c.Paths {
		for _, p := range methods.Get.Parameters {
			all[p.Name] = parsedHere(path) || all[p.Name]
		}
	}
	for path, methods := range c.Paths {
		if !parsedHere(path) || !strings.Contains(path, "/v1/") {
			continue
		}
		known := map[string]bool{}
		for _, p := range methods.Get.Parameters {
			known[p.Name] = true
		}
		for name := range all {
			if known[name] || !all[name] {
				continue
			}
			if w := get(shop(t).api(nil), targetOf(path, "prod-eu")+"?"+name+"=1"); w.Code != 400 {
				t.Errorf("%s?%s: got %d, want 400 for an undocumented parameter", path, name, w.Code)
			}
		}
	}
}

func TestResponsesMatchTheDocument(t *testing.T) {
	f := shop(t)
	broken := shop(t)
	broken.Failures["prod-eu"] = &session.UnreachableError{Reason: dial.DialFailed, Err: fmt.Errorf("refused"), LastKnown: session.LastKnown{Summary: &state.Summary{Problems: []state.Problem{}}, ObservedAt: f.Reports["prod-eu"].ReceivedAt}}
	api := f.prometheusAPI(nil)
	c := readContract(t, api)
	for path := range c.Paths {
		target := targetOf(path, "prod-eu")
		c.checkResponse(path, get(api, target))
		c.checkResponse(path, get(broken.prometheusAPI(nil), target))
		c.checkResponse(path, do(api, httptest.NewRequest(http.MethodPut, target, nil)))
		if !parsedHere(path) {
			c.checkResponse(path, do(api, httptest.NewRequest(http.MethodGet, target, strings.NewReader("a body"))))
		}
		if strings.Contains(path, "/v1/") {
			c.checkResponse(path, get(api, target+"?colour=red"))
			c.checkResponse(path, get(api, target+"?watch=true&resourceVersion="+map[bool]string{true: "1.1-1", false: "0123456789abcdef-7"}[strings.Contains(path, "{")]))
			c.checkResponse(path, get(refusing(t, ErrUnauthenticated), target))
			c.checkResponse(path, get(refusing(t, ErrForbidden), target))
			c.checkResponse(path, get(refusing(t, ErrAuthorizerUnavailable), target))
		}
		if strings.Contains(path, "{") {
			c.checkResponse(path, do(api, newRequest(target, "If-None-Match", "*")))
			c.checkResponse(path, get(api, targetOf(path, "nowhere")))
		}
	}
}

func refusing(t *testing.T, err error) *API {
	return shop(t).prometheusAPI(func(c *Config) {
		c.Authenticate = func(*http.Request) (Authorizer, error) { return nil, err }
		c.SignIn = signin.Config{
			Start: func(*http.Request, string) (string, string, error) { return "", "", err },
			End:   func(string) {},
			User: func(*http.Request) (string, error) {
				if errors.Is(err, ErrForbidden) { // everybody may know who they are
					return "", nil
				}
				return "", err
			},
		}
	})
}

func TestEventsMatchTheDocument(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(nil)
		c := readContract(t, api)
		streams := []*watcher{watching(t, api, eu1+"?watch=true", nil), watching(t, api, listPath+"&detail=prod-eu", nil)}
		v := *f.Reports["prod-eu"]
		s := *stateOf(t, &v)
		s.Seq++
		s.Usage = &state.Usage{N: 2, BySlot: []state.Used{{CPUMillis: 7, MemoryBytes: 9, SampledAt: 1_790_000_000}}}
		v.LazyState, v.Summary = wire.NewLazyState(&s), state.Summarize(&s, v.ReceivedAt)
		f.Change(func() { f.Reports["prod-eu"] = &v })
		f.report(t, "prod-eu", []state.Key{{Kind: state.KindNode, Name: "n1"}}, node("n2", state.False))
		kinds := map[string]bool{}
		for _, stream := range streams {
			stream.checkEvents(c, kinds)
		}
		f.Change(func() { f.Registered = nil })
		for _, stream := range streams {
			stream.checkEvents(c, kinds)
		}
		want := []string{"ADDED", "BOOKMARK", "Cluster", "Container", "DELETED", "ERROR", "MODIFIED", "Node", "Pod", "Port", "Session", "Summary", "Usage"}
		if got := slices.Sorted(maps.Keys(kinds)); !slices.Equal(got, want) {
			t.Errorf("got events of %v, want all of %v", got, want)
		}
	})
}

// checkEvents checks each received event, and adds its type and kind to kinds.
func (w *watcher) checkEvents(c *contract, kinds map[string]bool) {
	w.t.Helper()
	for line := range strings.Lines(w.text()) {
		var event map[string]any
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			w.t.Fatal(err)
		}
		kind, _ := event["kind"].(string)
		shape, ok := kind, true
		switch event["type"] {
		case "BOOKMARK":
			shape = "Bookmark"
			if _, mine := event["object"].(map[string]any)["session"]; !mine {
				shape = "FleetBookmark"
			}
		case "ERROR":
			shape = "Status"
		default:
			ok = kind != ""
			kinds[kind] = true
		}
		kinds[event["type"].(string)] = true
		if err := c.check(c.Components.Schemas["Event"], event, "event"); err != nil || !ok {
			w.t.Errorf("%s: got %v, want an event of the schema", line, err)
		}
		if err := c.check(c.Components.Schemas[shape], event["object"], shape); err != nil {
			w.t.Errorf("%s: got %v, want an event of the schema", line, err)
		}
	}
}

func TestPageLoadsNothingElse(t *testing.T) {
	api := shop(t).prometheusAPI(nil)
	w := get(api, "/api")
	page := w.Body.String()
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("got %d %v, want 200, HTML, and a Content-Security-Policy", w.Code, w.Header())
	}
	for _, bad := range []string{"<script", "http://", "https://", "src=", "@import", "<no value>", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("got a page with %s, want none", bad)
		}
	}
	for path, methods := range readContract(t, api).Paths {
		if !strings.Contains(page, "GET "+path) {
			t.Errorf("got a page without %s", path)
		}
		for _, p := range methods.Get.Parameters {
			if !strings.Contains(page, "<code>"+p.Name+"</code>") {
				t.Errorf("got a page without the parameter %s", p.Name)
			}
		}
	}
}
