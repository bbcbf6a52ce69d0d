package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/master/httpapi"
)

// fakeHub responds to reviews. By default it accepts the token "jane" as the user jane, and allows
// everything.
type fakeHub struct {
	// status, if set, is the status of all responses. hang makes all requests hang.
	status atomic.Int64
	hang   atomic.Bool
	// revoked makes the hub reject jane's token.
	revoked atomic.Bool
	// latency is the duration of a review.
	latency time.Duration
	// user returns the user of a token, "" to reject it. may authorizes access.
	user func(token string) string
	may  func(authorizationv1.SubjectAccessReviewSpec) bool
	// onRequest is called first with each request.
	onRequest func(*http.Request)

	tokenReviews, accessReviews, inFlight, maxInFlight atomic.Int64
}

// reasons has the reasons of the hub's errors.
var reasons = map[int]metav1.StatusReason{http.StatusInternalServerError: metav1.StatusReasonInternalError, http.StatusForbidden: metav1.StatusReasonForbidden}

func (h *fakeHub) RoundTrip(r *http.Request) (*http.Response, error) {
	if h.onRequest != nil {
		h.onRequest(r)
	}
	if h.hang.Load() {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if h.latency > 0 {
		h.maxInFlight.Store(max(h.maxInFlight.Load(), h.inFlight.Add(1)))
		<-time.After(h.latency)
		h.inFlight.Add(-1)
	}
	if status := int(h.status.Load()); status != 0 {
		return newResponse(status, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": reasons[status]}), nil
	}
	if path.Base(r.URL.Path) == "tokenreviews" {
		h.tokenReviews.Add(1)
		var review authenticationv1.TokenReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			return nil, err
		}
		review.Status = h.reviewToken(review.Spec)
		return newResponse(http.StatusCreated, review), nil
	}
	h.accessReviews.Add(1)
	allowed := true
	if h.may != nil {
		var review authorizationv1.SubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			return nil, err
		}
		allowed = h.may(review.Spec)
	}
	return newResponse(http.StatusCreated, authorizationv1.SubjectAccessReview{Status: authorizationv1.SubjectAccessReviewStatus{Allowed: allowed}}), nil
}

func (h *fakeHub) reviewToken(spec authenticationv1.TokenReviewSpec) authenticationv1.TokenReviewStatus {
	user := ""
	if h.user != nil {
		user = h.user(spec.Token)
	} else if spec.Token == "jane" && !h.revoked.Load() {
		user = "jane"
	}
	if user == "" {
		return authenticationv1.TokenReviewStatus{Error: "invalid bearer token"}
	}
	return authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: user}, Audiences: spec.Audiences}
}

func newResponse(status int, body any) *http.Response {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(encoded))}
}

func (h *fakeHub) config() *rest.Config {
	return &rest.Config{Host: "http://hub", Transport: h, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

func (h *fakeHub) authenticator(t *testing.T) *Authenticator {
	t.Helper()
	a, err := New(Config{Hub: h.config(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func request(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/v1/clusters", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func TestRejectedTokenAndUnavailableHub(t *testing.T) {
	for _, tc := range []struct {
		name, token string
		configure   func(*fakeHub)
		want        error
	}{
		{"good", "jane", func(*fakeHub) {}, nil},
		{"refused", "garbage", func(*fakeHub) {}, httpapi.ErrUnauthenticated},
		{"none", "", func(*fakeHub) {}, httpapi.ErrUnauthenticated},
		{"none, hub fails", "", func(h *fakeHub) { h.status.Store(500) }, httpapi.ErrUnauthenticated},
		{"hub fails", "jane", func(h *fakeHub) { h.status.Store(500) }, httpapi.ErrAuthorizerUnavailable},
		{"master has no access", "jane", func(h *fakeHub) { h.status.Store(403) }, httpapi.ErrAuthorizerUnavailable},
		{"master is not authenticated", "jane", func(h *fakeHub) { h.status.Store(401) }, httpapi.ErrAuthorizerUnavailable},
		{"hub busy", "jane", func(h *fakeHub) { h.status.Store(429) }, httpapi.ErrAuthorizerUnavailable},
		{"hub hangs", "jane", func(h *fakeHub) { h.hang.Store(true) }, httpapi.ErrAuthorizerUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := &fakeHub{}
				tc.configure(hub)
				start := time.Now()
				caller, err := hub.authenticator(t).Identify(request(tc.token))
				if !errors.Is(err, tc.want) || (caller != nil) != (tc.want == nil) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
				if elapsed := time.Since(start); elapsed > reviewTimeout {
					t.Errorf("got a response after %s, want at most %s", elapsed, reviewTimeout)
				}
			})
		})
	}
}

func TestAccessReviewTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		caller, err := hub.authenticator(t).Identify(request("jane"))
		if err != nil {
			t.Fatal(err)
		}
		hub.hang.Store(true)
		start := time.Now()
		err = caller(t.Context(), httpapi.Access{Verb: "list"})
		if !errors.Is(err, httpapi.ErrAuthorizerUnavailable) || time.Since(start) > reviewTimeout {
			t.Errorf("got error %v after %s, want %v within %s", err, time.Since(start), httpapi.ErrAuthorizerUnavailable, reviewTimeout)
		}
	})
}

func TestReviewsAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		auth := hub.authenticator(t)
		ask := func() {
			t.Helper()
			caller, err := auth.Identify(request("jane"))
			if err == nil {
				err = caller(t.Context(), httpapi.Access{Verb: "list"})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			ask()
		}
		if hub.tokenReviews.Load() != 1 || hub.accessReviews.Load() != 1 {
			t.Errorf("got %d TokenReviews and %d SubjectAccessReviews for ten requests, want one each", hub.tokenReviews.Load(), hub.accessReviews.Load())
		}
		<-time.After(acceptedFor + time.Second)
		ask()
		if hub.tokenReviews.Load() != 2 || hub.accessReviews.Load() != 2 {
			t.Errorf("got %d and %d after %s, want two each", hub.tokenReviews.Load(), hub.accessReviews.Load(), acceptedFor)
		}
	})
}
