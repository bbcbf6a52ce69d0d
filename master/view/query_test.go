package view

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestInvalidQueriesAreRejected(t *testing.T) {
	nodeToken := ask(t, NewDocument(reportOf(shop(t)), nil), Nodes, params{"limit": "1"}).Continue
	for _, tc := range []struct {
		part  Part
		query string
		want  string
	}{
		{Pods, "namspace=shop", `parameter "namspace": unknown parameter; supported: continue, limit, namespace, node, owner, pod, q, state`},
		{Summary, "namespace=shop", `parameter "namespace": not supported for summary; this path supports no parameters`},
		{Summary, "nonsense=1", `parameter "nonsense": unknown parameter; this path supports no parameters`},
		{Nodes, "namespace=shop", `parameter "namespace": not supported for nodes; supported: continue, limit, node, q, state`},
		{Pods, "port=80", `parameter "port": not supported for pods; supported: continue, limit, namespace, node, owner, pod, q, state`},
		{Containers, "protocol=TCP", `parameter "protocol": not supported for containers; supported: continue, kind, limit, namespace, node, owner, pod, q, state`},
		{Ports, "state=running", `parameter "state": not supported for ports; supported: continue, kind, limit, namespace, node, owner, pod, port, protocol, q`},
		{Whole, "limit=5", `parameter "limit": not supported for the whole document; supported: kind, namespace, node, owner, pod, port, protocol, q, state`},
		{Pods, "namespace=", `parameter "namespace": must not be empty`},
		{Pods, "namespace=a&namespace=b", `parameter "namespace": must be specified once, got 2`},
		{Pods, "namespace=Shop", `parameter "namespace": must be a name of lower-case letters, digits, '-' and '.', got "Shop"`},
		{Pods, "node=*", `parameter "node": must be a name of lower-case letters, digits, '-' and '.', got "*"`},
		{Pods, "pod=%FF", `parameter "pod": must be a name of lower-case letters, digits, '-' and '.', got "\xff"`},
		{Pods, "owner=Deployment/", `parameter "owner": must be an owner's name, or kind and name such as Deployment/web, got "Deployment/"`},
		{Pods, "owner=/web", `parameter "owner": must be an owner's name, or kind and name such as Deployment/web, got "/web"`},
		{Pods, "owner=a/b/c", `parameter "owner": must be an owner's name, or kind and name such as Deployment/web, got "a/b/c"`},
		{Pods, "state=waiting", `parameter "state": must be one of Pending, Running, Succeeded, Failed, Unknown, got "waiting"`},
		{Nodes, "state=True", `parameter "state": must be one of Ready, NotReady, Unknown, got "True"`},
		{Containers, "state=CrashLoopBackOff", `parameter "state": must be one of running, waiting, terminated, unknown, got "CrashLoopBackOff"`},
		{Containers, "kind=NodePort", `parameter "kind": must be one of main, init, sidecar, ephemeral, got "NodePort"`},
		{Ports, "kind=main", `parameter "kind": must be one of NodePort, HealthCheckNodePort, HostPort, HostNetwork, LoadBalancer, ExternalIP, Kubelet, got "main"`},
		{Ports, "port=0", `parameter "port": must be a number from 1 to 65535, got "0"`},
		{Ports, "port=65536", `parameter "port": must be a number from 1 to 65535, got "65536"`},
		{Ports, "port=080", `parameter "port": must be a number from 1 to 65535, got "080"`},
		{Ports, "port=%2B80", `parameter "port": must be a number from 1 to 65535, got "+80"`},
		{Ports, "port=99999999999999999999", `parameter "port": must be a number from 1 to 65535, got "99999999999999999999"`},
		{Ports, "protocol=ICMP", `parameter "protocol": must be one of TCP, UDP, SCTP, got "ICMP"`},
		{Ports, "limit=0", `parameter "limit": must be a number from 1 to 10000, got "0"`},
		{Ports, "limit=10001", `parameter "limit": must be a number from 1 to 10000, got "10001"`},
		{Pods, "q=%20", `parameter "q": must be 1 to 16 words of at most 512 bytes in total, in UTF-8, got " "`},
		{Pods, "q=%FFx", `parameter "q": must be 1 to 16 words of at most 512 bytes in total, in UTF-8, got "\xffx"`},
		{Pods, "q=" + strings.Repeat("a+", 17), `parameter "q": must be 1 to 16 words of at most 512 bytes in total, in UTF-8, got "` + strings.Repeat("a ", 17) + `"`},
		{Pods, "q=" + strings.Repeat("a", 513), `parameter "q": must be 1 to 16 words of at most 512 bytes in total, in UTF-8, got "` + strings.Repeat("a", 64) + `"…`},
		{Pods, "continue=xyz", `parameter "continue": invalid continue token; start again without it`},
		{Pods, "continue=%21", `parameter "continue": invalid continue token; start again without it`},
		{Pods, "continue=" + nodeToken, `parameter "continue": invalid continue token; start again without it`},
		{Nodes, "continue=" + nodeToken + "A", `parameter "continue": invalid continue token; start again without it`},
		{Pods, "continue=" + base64.RawURLEncoding.EncodeToString([]byte(`{"key":{"Kind":2},"more":1}`)), `parameter "continue": invalid continue token; start again without it`},
		{Pods, "continue=" + base64.RawURLEncoding.EncodeToString([]byte(`{"key":{"Kind":2}}{}`)), `parameter "continue": invalid continue token; start again without it`},
		{Pods, "continue=" + strings.Repeat("A", 5000), `parameter "continue": invalid continue token; start again without it`},
	} {
		values, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatalf("%s: %v", tc.query, err)
		}
		_, err = ParseQuery(tc.part, values)
		if bad := (*ParameterError)(nil); !errors.As(err, &bad) || err.Error() != tc.want {
			t.Errorf("%s?%s:\n got %v\nwant %s", tc.part, tc.query, err, tc.want)
		}
	}
}

func TestManyUnknownParametersAreOneError(t *testing.T) {
	values := map[string][]string{}
	for i := range 10_000 {
		values[fmt.Sprintf("filter%05d", i)] = []string{"x"}
	}
	_, err := ParseQuery(Pods, values)
	if bad := (*ParameterError)(nil); !errors.As(err, &bad) || bad.Name != "filter00000" {
		t.Errorf("got %v, want an error for filter00000", err)
	}
}

func TestEmptyQuerySelectsAll(t *testing.T) {
	q, err := ParseQuery(Pods, nil)
	if err != nil || !q.SelectsAll() {
		t.Errorf("got %+v, error %v; want a query that selects all", q, err)
	}
	if q := queryOf(t, Pods, params{"limit": "1"}); q.SelectsAll() {
		t.Error("a query with a limit selects all, want it not to")
	}
}

// FuzzParseQuery checks that every query is either rejected with a short, valid UTF-8 message, or
// can be selected.
func FuzzParseQuery(f *testing.F) {
	d := NewDocument(reportOf(shop(f)), nil)
	token := ask(f, d, Ports, params{"limit": "1"}).Continue
	for _, seed := range []string{"", "node=n1&q=a+b", "port=80&protocol=udp", "limit=1", "limit=1&continue=" + token, "state=running", "kind=main", "owner=Deployment/web", "q=%FF", "a=b&c"} {
		for part := range numParts {
			f.Add(uint8(part), seed)
		}
	}
	f.Fuzz(func(t *testing.T, part uint8, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q, err := ParseQuery(Part(part)%numParts, values)
		if err == nil {
			var body Body
			if body, err = d.Select(q); err == nil {
				decode(t, body)
				return
			}
		}
		if bad := (*ParameterError)(nil); !errors.As(err, &bad) || !utf8.ValidString(bad.Message) || len(bad.Message) > 1024 {
			t.Fatalf("query %q: %v", query, err)
		}
	})
}

// FuzzContinue checks that every accepted token selects a tail of the list.
func FuzzContinue(f *testing.F) {
	d := NewDocument(reportOf(shop(f)), nil)
	for _, part := range lists {
		token := ask(f, d, part, params{"limit": "1"}).Continue
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(part), raw)
	}
	f.Fuzz(func(t *testing.T, part uint8, raw []byte) {
		p := lists[int(part)%len(lists)]
		q, err := ParseQuery(p, map[string][]string{"continue": {base64.RawURLEncoding.EncodeToString(raw)}})
		if err != nil {
			return
		}
		body, err := d.Select(q)
		if err != nil {
			return
		}
		if page, whole := decode(t, body).names(), ask(t, d, p, nil).names(); len(page) > len(whole) || strings.Join(whole[len(whole)-len(page):], " ") != strings.Join(page, " ") {
			t.Fatalf("%s: got page %v, want a tail of %v", raw, page, whole)
		}
	})
}
