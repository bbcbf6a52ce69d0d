package httpapi

import (
	"net/http"
	"slices"
	"strconv"

	"rollcall.dev/rollcall/master/httpapi/openapi"
	"rollcall.dev/rollcall/master/httpapi/signin"
	"rollcall.dev/rollcall/master/view"
)

// renderOpenAPI returns the OpenAPI document. It is generated from the tables that parse requests and the types that are
// encoded in responses.
func (a *API) renderOpenAPI() (openapi.Document, error) {
	description := openapi.API{Types: heapsterSchemas, Schemas: prometheusSchemas, Cookie: signin.SecureCookie}
	for _, o := range slices.Concat(a.operations(), a.prometheusOperations(), heapsterOperations()) {
		description.Operations = append(description.Operations, o.documented())
	}
	return description.Document()
}

func (a *API) serveOpenAPI(w http.ResponseWriter, r *http.Request) error {
	p, err := a.openAPI()
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Vary", "Accept-Encoding")
	return a.writeWithETag(w, r, view.Body{p.JSON})
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
	h.Set("Content-Length", strconv.Itoa(len(p.Page)))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	// A failed write means that the client has disconnected.
	_, _ = w.Write(p.Page)
	return nil
}
