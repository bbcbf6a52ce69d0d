package httpapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

// TestPublishedOpenAPI compares docs/openapi.json, from which clients are generated, with the document that a
// master serves. hack/generate.sh updates the file.
func TestPublishedOpenAPI(t *testing.T) {
	const path = "../../docs/openapi.json"
	var served bytes.Buffer
	if err := json.Indent(&served, get(shop(t).prometheusAPI(nil), "/api/openapi.json").Body.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	served.WriteByte('\n')
	if *update {
		if err := os.WriteFile(path, served.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(published, served.Bytes()) {
		t.Error("docs/openapi.json is out of date; run `make generate`")
	}
}
