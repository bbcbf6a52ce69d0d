package openapi

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
)

//go:embed page.html
var pageTemplate string

// pageDocument is the part of the OpenAPI document that the page shows.
type pageDocument struct {
	OpenAPI string
	Info    struct{ Title, Version, Description string }
	Paths   map[string]map[string]pageOperation

	Components struct{ Schemas map[string]json.RawMessage }
}

type pageOperation struct {
	OperationID, Summary string
	Parameters           []struct {
		Name, In, Description string
		Schema                struct {
			Enum    []any
			Default any
		}
	}
	Responses map[string]struct{ Description string }
}

// renderPage returns the document as an HTML page. It does not use html/template, which calls
// methods by name: the linker would then keep all exported methods, a third of the binary.
func renderPage(document []byte) ([]byte, error) {
	var d pageDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("decode the OpenAPI document: %w", err)
	}
	var routes, schemas strings.Builder
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			o.writeTo(&routes, strings.ToUpper(method)+" "+path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		var shown bytes.Buffer
		if err := json.Indent(&shown, d.Components.Schemas[name], "", "  "); err != nil {
			return nil, fmt.Errorf("indent the schema %s: %w", name, err)
		}
		writef(&schemas, "<details id=\"schema-%s\"><summary><code>%s</code></summary><pre>%s</pre></details>\n", name, name, shown.String())
	}
	return []byte(strings.NewReplacer(
		"$TITLE", html.EscapeString(d.Info.Title), "$VERSION", html.EscapeString(d.Info.Version),
		"$DESCRIPTION", html.EscapeString(d.Info.Description), "$OPENAPI", html.EscapeString(d.OpenAPI),
		"$ROUTES", routes.String(), "$SCHEMAS", schemas.String(),
	).Replace(pageTemplate)), nil
}

func (o *pageOperation) writeTo(to *strings.Builder, route string) {
	writef(to, "<section id=\"%s\">\n<h3><code>%s</code></h3>\n<p>%s</p>\n", o.OperationID, route, o.Summary)
	if len(o.Parameters) > 0 {
		to.WriteString("<details open><summary>Parameters</summary><table>\n")
		for _, p := range o.Parameters {
			writef(to, "<tr><td><code>%s</code><br><span class=\"soft\">%s</span></td><td>%s", p.Name, p.In, p.Description)
			for i, word := range p.Schema.Enum {
				writef(to, "%s<code>%s</code>", map[bool]string{true: "\n", false: ", "}[i == 0], fmt.Sprint(word))
			}
			if p.Schema.Default != nil {
				writef(to, "<br><span class=\"soft\">default <code>%s</code></span>", fmt.Sprint(p.Schema.Default))
			}
			to.WriteString("</td></tr>\n")
		}
		to.WriteString("</table></details>\n")
	}
	to.WriteString("<details><summary>Responses</summary><table>\n")
	for _, code := range slices.Sorted(maps.Keys(o.Responses)) {
		writef(to, "<tr><td><code>%s</code></td><td>%s</td></tr>\n", code, o.Responses[code].Description)
	}
	to.WriteString("</table></details>\n</section>\n")
}

// writef writes markup with texts in it. It escapes the texts.
func writef(to *strings.Builder, markup string, texts ...string) {
	escaped := make([]any, len(texts))
	for i, text := range texts {
		escaped[i] = html.EscapeString(text)
	}
	fmt.Fprintf(to, markup, escaped...)
}
