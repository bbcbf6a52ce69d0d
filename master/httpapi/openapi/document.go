// Package openapi describes the HTTP API of the master as an OpenAPI 3.1 document, in JSON and as an HTML page.
//
// Package httpapi passes the operations that it serves. The schemas of JSON are inferred from the types in api/http/v1
// and api/state.
package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
)

// API is what a document describes.
type API struct {
	Operations []Operation
	// Types holds Go types whose schemas the operations use, by the names of the schemas, in addition to those of
	// api/http/v1. Schemas holds those that are written by hand.
	Types   map[string]reflect.Type
	Schemas map[string]Schema
	// Cookie is the name of the cookie that signs a browser in.
	Cookie string
}

// Document is an OpenAPI document in the forms in which it is served.
type Document struct{ JSON, Page []byte }

// Document returns the OpenAPI document.
func (a *API) Document() (Document, error) {
	document, err := a.document()
	if err != nil {
		return Document{}, fmt.Errorf("create the OpenAPI document: %w", err)
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		return Document{}, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	page, err := renderPage(encoded)
	if err != nil {
		return Document{}, err
	}
	return Document{JSON: encoded, Page: page}, nil
}

func (a *API) document() (Schema, error) {
	components, err := a.components()
	if err != nil {
		return nil, err
	}
	paths := Schema{}
	for _, o := range a.Operations {
		methods, ok := paths[o.Path].(Schema)
		if !ok {
			methods = Schema{}
			paths[o.Path] = methods
		}
		methods[strings.ToLower(o.Method)] = o.document()
	}
	return Schema{
		"openapi": "3.1.0",
		"info": Schema{
			"title": "Rollcall master", "version": "v1",
			"description": "The live state of many Kubernetes clusters. The API is read-only, except for signing in and out. Times are RFC 3339 in UTC, amounts are in millicores and bytes.",
		},
		"servers":  []Schema{{"url": "/", "description": "This master."}},
		"paths":    paths,
		"security": []Schema{{"bearer": []string{}}, {"certificate": []string{}}, {"cookie": []string{}}},
		"components": Schema{
			"schemas": components,
			"securitySchemes": Schema{
				"bearer":      Schema{"type": "http", "scheme": "bearer", "description": "A token for the hub cluster."},
				"certificate": Schema{"type": "mutualTLS", "description": "A client certificate that the hub accepts."},
				"cookie":      Schema{"type": "apiKey", "in": "cookie", "name": a.Cookie, "description": "The cookie that `POST /api/v1/session` sets."},
			},
		},
	}, nil
}

// components returns the schemas that operations refer to.
func (a *API) components() (Schema, error) {
	types := maps.Clone(contractTypes)
	maps.Copy(types, a.Types)
	set, err := newSchemaSet(types)
	if err != nil {
		return nil, err
	}
	all := Schema{}
	for name, component := range set.components {
		all[name] = component
	}
	for name, written := range a.Schemas {
		all[name] = written
	}
	all["Event"] = Schema{"oneOf": eventSchemas()}
	return all, nil
}
