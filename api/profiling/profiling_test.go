package profiling

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestProfilesAreServedByName(t *testing.T) {
	for path, tc := range map[string]struct {
		status int
		words  string
	}{
		"":                       {200, "goroutine"},
		"heap":                   {200, "\x1f\x8b"},
		"goroutine?debug=1":      {200, "goroutine profile:"},
		"cmdline":                {404, ""},
		"symbol":                 {404, ""},
		"nothing":                {404, ""},
		"../../etc/passwd":       {404, ""},
		"profile?seconds=100000": {400, "seconds must be"},
		"trace?seconds=NaN":      {400, "seconds must be"},
		"heap?seconds=-1":        {400, "seconds must be"},
	} {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path+path, nil))
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.words) {
			t.Errorf("%s: %d %.200q, want %d and %q", path, w.Code, w.Body, tc.status, tc.words)
		}
	}
}
