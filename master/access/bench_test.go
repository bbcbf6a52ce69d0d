package access

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"rollcall.dev/rollcall/master/httpapi"
)

// BenchmarkListOfManyClustersWithFewVisible lists 2,400 clusters over HTTP, of which the caller
// may see about ten. A review in the hub takes 5 ms. It measures the first list, the second, and
// the latency of 20 other users who together send 100 requests a second meanwhile.
func BenchmarkListOfManyClustersWithFewVisible(b *testing.B) {
	for range b.N {
		hub := &fakeHub{latency: 5 * time.Millisecond, user: func(token string) string { return token }}
		hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
			return s.User != "ten" || s.ResourceAttributes.Verb == "get" && visibleToTen(s.ResourceAttributes.Name)
		}
		auth, err := New(Config{Hub: hub.config(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		server := httptest.NewServer(newLargeAPI(auth, 2400))
		ask := func(token, path string) time.Duration {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+path, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			start := time.Now()
			response, err := server.Client().Do(r)
			if err != nil {
				b.Error(err)
				return 0
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			return time.Since(start)
		}
		const list = "/api/v1/clusters"
		var others latencies
		var all sync.WaitGroup
		all.Go(func() {
			every(10*time.Millisecond, 500, func(i int) {
				others.add(ask(fmt.Sprint("other", i%20), fmt.Sprintf("%s/c%04d", list, i)))
			})
		})
		b.ReportMetric(ask("ten", list).Seconds(), "first-s")
		b.ReportMetric(float64(ask("ten", list).Milliseconds()), "again-ms")
		all.Wait()
		b.ReportMetric(float64(others.p99().Milliseconds()), "others-p99-ms")
		server.Close()
	}
}

// BenchmarkKnownCaller measures a request whose reviews are cached.
func BenchmarkKnownCaller(b *testing.B) {
	auth, err := New(Config{Hub: (&fakeHub{}).config(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	r := request("jane")
	for b.Loop() {
		caller, err := auth.Identify(r)
		if err == nil {
			err = caller(b.Context(), httpapi.Access{Verb: "get", Cluster: "prod-eu", Details: true})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkListOfManyClustersCached lists the same clusters with cached reviews.
func BenchmarkListOfManyClustersCached(b *testing.B) {
	hub := &fakeHub{user: func(token string) string { return token }}
	hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
		return s.ResourceAttributes.Verb == "get" && visibleToTen(s.ResourceAttributes.Name)
	}
	auth, err := New(Config{Hub: hub.config(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	api := newLargeAPI(auth, 2400)
	listAs(api, "ten")
	for b.Loop() {
		if w := listAs(api, "ten"); w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
