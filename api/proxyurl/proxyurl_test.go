package proxyurl

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"http://proxy:3128":            "",
		"https://proxy.example/":       "",
		"socks5h://[2001:db8::1]:1080": "",
		"":                             "not the URL of a proxy",
		"proxy:3128":                   "not the URL of a proxy",
		"http://":                      "not the URL of a proxy",
		"http://:3128":                 "not the URL of a proxy",
		"ftp://proxy":                  "not the URL of a proxy",
		"http://proxy:hunter2":         "not the URL of a proxy",
		"http://u:hunter2@proxy":       "must not contain a user or password, which anyone could read in the list of processes: ask",
		"http://proxy/path?hunter2":    "only scheme, host and port",
		"http://proxy#hunter2":         "only scheme, host and port",
	} {
		u, err := Parse("--proxy", text, "ask")
		switch {
		case want == "" && (err != nil || u.String() != text):
			t.Errorf("%s: got %v, %v, want the URL", text, u, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "--proxy ")):
			t.Errorf("%s: got %v, want an error of --proxy with %q", text, err, want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("got error %v, want none with parts of the URL", err)
		}
	}
}
