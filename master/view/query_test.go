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

func TestQueriesThatAreNotUnderstoodAreNamed(t *testing.T) {
	nodeToken := ask(t, NewDocument(reportOf(shop(t)), nil), Nodes, params{"limit": "1"}).Continue
	for _, tc := range []struct {
		part  Part
		query string
		want  string
	}{
		{Pods, "namspace=shop", `parameter "namspace" is not known; there are continue, limit, namespace, node, owner, pod, q, state`},
		{Summary, "namespace=shop", `parameter "namespace" has no meaning for summary; there are no parameters here`},
		{Summary, "nonsense=1", `parameter "nonsense" is not known; there are no parameters here`},
		{Nodes, "namespace=shop", `parameter "namespace" has no meaning for nodes; there are continue, limit, node, q, state`},
		{Pods, "port=80", `parameter "port" has no meaning for pods; there are continue, limit, namespace, node, owner, pod, q, state`},
		{Containers, "protocol=TCP", `parameter "protocol" has no meaning for containers; there are continue, kind, limit, namespace, node, owner, pod, q, state`},
		{Ports, "state=running", `parameter "state" has no meaning for ports; there are continue, kind, limit, namespace, node, owner, pod, port, protocol, q`},
		{Whole, "limit=5", `parameter "limit" has no meaning for the whole document; there are kind, namespace, node, owner, pod, port, protocol, q, state`},
		{Pods, "namespace=", `parameter "namespace" has no value`},
		{Pods, "namespace=a&namespace=b", `parameter "namespace" is given 2 times, and may be given once`},
		{Pods, "namespace=Shop", `parameter "namespace" is "Shop", and may be a name: lower case letters, digits, '-' and '.'`},
		{Pods, "node=*", `parameter "node" is "*", and may be a name: lower case letters, digits, '-' and '.'`},
		{Pods, "pod=%FF", `parameter "pod" is "\xff", and may be a name: lower case letters, digits, '-' and '.'`},
		{Pods, "owner=Deployment/", `parameter "owner" is "Deployment/", and may be an owner's name, or its kind and name such as Deployment/web`},
		{Pods, "owner=/web", `parameter "owner" is "/web", and may be an owner's name, or its kind and name such as Deployment/web`},
		{Pods, "owner=a/b/c", `parameter "owner" is "a/b/c", and may be an owner's name, or its kind and name such as Deployment/web`},
		{Pods, "state=waiting", `parameter "state" is "waiting", and may be Pending, Running, Succeeded, Failed, Unknown`},
		{Nodes, "state=True", `parameter "state" is "True", and may be Ready, NotReady, Unknown`},
		{Containers, "state=CrashLoopBackOff", `parameter "state" is "CrashLoopBackOff", and may be running, waiting, terminated, unknown`},
		{Containers, "kind=NodePort", `parameter "kind" is "NodePort", and may be main, init, sidecar, ephemeral`},
		{Ports, "kind=main", `parameter "kind" is "main", and may be NodePort, HealthCheckNodePort, HostPort, HostNetwork, LoadBalancer, ExternalIP, Kubelet`},
		{Ports, "port=0", `parameter "port" is "0", and may be a number from 1 to 65535`},
		{Ports, "port=65536", `parameter "port" is "65536", and may be a number from 1 to 65535`},
		{Ports, "port=080", `parameter "port" is "080", and may be a number from 1 to 65535`},
		{Ports, "port=%2B80", `parameter "port" is "+80", and may be a number from 1 to 65535`},
		{Ports, "port=99999999999999999999", `parameter "port" is "99999999999999999999", and may be a number from 1 to 65535`},
		{Ports, "protocol=ICMP", `parameter "protocol" is "ICMP", and may be TCP, UDP, SCTP`},
		{Ports, "limit=0", `parameter "limit" is "0", and may be a number from 1 to 10000`},
		{Ports, "limit=10001", `parameter "limit" is "10001", and may be a number from 1 to 10000`},
		{Pods, "q=%20", `parameter "q" is " ", and may be 1 to 16 words of at most 512 bytes together, in UTF-8`},
		{Pods, "q=%FFx", `parameter "q" is "\xffx", and may be 1 to 16 words of at most 512 bytes together, in UTF-8`},
		{Pods, "q=" + strings.Repeat("a+", 17), `parameter "q" is "` + strings.Repeat("a ", 17) + `", and may be 1 to 16 words of at most 512 bytes together, in UTF-8`},
		{Pods, "q=" + strings.Repeat("a", 513), `parameter "q" is "` + strings.Repeat("a", 64) + `"…, and may be 1 to 16 words of at most 512 bytes together, in UTF-8`},
		{Pods, "continue=xyz", `parameter "continue" is no token of ours; begin again without it`},
		{Pods, "continue=%21", `parameter "continue" is no token of ours; begin again without it`},
		{Pods, "continue=" + nodeToken, `parameter "continue" is no token of ours; begin again without it`},
		{Nodes, "continue=" + nodeToken + "A", `parameter "continue" is no token of ours; begin again without it`},
		{Pods, "continue=" + base64.RawURLEncoding.EncodeToString([]byte(`{"key":{"Kind":2},"more":1}`)), `parameter "continue" is no token of ours; begin again without it`},
		{Pods, "continue=" + base64.RawURLEncoding.EncodeToString([]byte(`{"key":{"Kind":2}}{}`)), `parameter "continue" is no token of ours; begin again without it`},
		{Pods, "continue=" + strings.Repeat("A", 5000), `parameter "continue" is no token of ours; begin again without it`},
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

func TestManyWrongParametersAreOneError(t *testing.T) {
	values := map[string][]string{}
	for i := range 10_000 {
		values[fmt.Sprintf("filter%05d", i)] = []string{"x"}
	}
	_, err := ParseQuery(Pods, values)
	if bad := (*ParameterError)(nil); !errors.As(err, &bad) || bad.Name != "filter00000" {
		t.Errorf("got %v, want an error for filter00000", err)
	}
}

func TestAnEmptyQueryIsPlain(t *testing.T) {
	q, err := ParseQuery(Pods, nil)
	if err != nil || !q.Plain() {
		t.Errorf("got %+v, %v; want a plain query", q, err)
	}
	if q := queryOf(t, Pods, params{"limit": "1"}); q.Plain() {
		t.Error("a query with a limit is plain")
	}
}

// FuzzParseQuery holds that no query does worse than to be refused in words that can
// be shown, and that whatever is taken can be asked.
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
		if bad := (*ParameterError)(nil); !errors.As(err, &bad) || !utf8.ValidString(bad.Words) || len(bad.Words) > 1024 {
			t.Fatalf("query %q: %v", query, err)
		}
	})
}

// FuzzContinue holds that a token that is taken gives a page behind its key.
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
			t.Fatalf("%s: page %v is no tail of %v", raw, page, whole)
		}
	})
}
