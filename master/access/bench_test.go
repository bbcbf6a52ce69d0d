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

// BenchmarkListOfManyClustersForWhoMaySeeTen is a list of 2,400 clusters over HTTP, whose
// caller may see some ten, with a hub that takes 5 ms a review: the first time, again, and how
// long 20 others wait meanwhile, of whom each asks about five more clusters a second.
func BenchmarkListOfManyClustersForWhoMaySeeTen(b *testing.B) {
	for range b.N {
		hub := &fakeHub{latency: 5 * time.Millisecond, user: func(token string) string { return token }}
		hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
			return s.User != "ten" || s.ResourceAttributes.Verb == "get" && tenth(s.ResourceAttributes.Name)
		}
		guard, err := New(Config{Hub: hub.config(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		server := httptest.NewServer(fleet(guard, 2400))
		ask := func(token, path string) time.Duration {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+path, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			began := time.Now()
			answer, err := server.Client().Do(r)
			if err != nil {
				b.Error(err)
				return 0
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			return time.Since(began)
		}
		const list = "/api/v1/clusters"
		var took latencies
		var all sync.WaitGroup
		all.Go(func() {
			every(10*time.Millisecond, 500, func(i int) {
				took.add(ask(fmt.Sprint("other", i%20), fmt.Sprintf("%s/c%04d", list, i)))
			})
		})
		b.ReportMetric(ask("ten", list).Seconds(), "first-s")
		b.ReportMetric(float64(ask("ten", list).Milliseconds()), "again-ms")
		all.Wait()
		b.ReportMetric(float64(took.p99().Milliseconds()), "others-p99-ms")
		server.Close()
	}
}

// BenchmarkKnownCaller is what each request of a caller pays whose answers are remembered.
func BenchmarkKnownCaller(b *testing.B) {
	guard, err := New(Config{Hub: (&fakeHub{}).config(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	r := request("jane")
	for b.Loop() {
		caller, err := guard.Identify(r)
		if err == nil {
			err = caller(b.Context(), httpapi.Access{Verb: "get", Cluster: "prod-eu", Details: true})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkListOfManyClustersAgain is the same list while its answers are remembered.
func BenchmarkListOfManyClustersAgain(b *testing.B) {
	hub := &fakeHub{user: func(token string) string { return token }}
	hub.may = func(s authorizationv1.SubjectAccessReviewSpec) bool {
		return s.ResourceAttributes.Verb == "get" && tenth(s.ResourceAttributes.Name)
	}
	guard, err := New(Config{Hub: hub.config(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	api := fleet(guard, 2400)
	listAs(api, "ten")
	for b.Loop() {
		if w := listAs(api, "ten"); w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}
