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
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/master/httpapi"
)

// fakeHub answers reviews: token knows jane by the token "jane", everybody may see
// everything, unless the functions say otherwise.
type fakeHub struct {
	// status, where set, is what every review ends with; hang lets them last.
	status atomic.Int64
	hang   atomic.Bool
	// revoked has jane's token refused.
	revoked atomic.Bool
	// latency is how long each review takes.
	latency time.Duration
	// user is whose token it is, empty: it is nobody's; may is who may what.
	user func(token string) string
	may  func(authorizationv1.SubjectAccessReviewSpec) bool
	// seen is called with each request, before anything else.
	seen func(*http.Request)

	tokens, rights, atOnce, most atomic.Int64
}

func (h *fakeHub) RoundTrip(r *http.Request) (*http.Response, error) {
	if h.seen != nil {
		h.seen(r)
	}
	if h.hang.Load() {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if h.latency > 0 {
		h.most.Store(max(h.most.Load(), h.atOnce.Add(1)))
		<-time.After(h.latency)
		h.atOnce.Add(-1)
	}
	if status := int(h.status.Load()); status != 0 {
		return answer(status, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": "InternalError"}), nil
	}
	if path.Base(r.URL.Path) == "tokenreviews" {
		h.tokens.Add(1)
		var review authenticationv1.TokenReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			return nil, err
		}
		review.Status = h.reviewed(review.Spec)
		return answer(http.StatusCreated, review), nil
	}
	h.rights.Add(1)
	allowed := true
	if h.may != nil {
		var review authorizationv1.SubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			return nil, err
		}
		allowed = h.may(review.Spec)
	}
	return answer(http.StatusCreated, authorizationv1.SubjectAccessReview{Status: authorizationv1.SubjectAccessReviewStatus{Allowed: allowed}}), nil
}

func (h *fakeHub) reviewed(spec authenticationv1.TokenReviewSpec) authenticationv1.TokenReviewStatus {
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

func answer(status int, body any) *http.Response {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(encoded))}
}

func (h *fakeHub) config() *rest.Config {
	return &rest.Config{Host: "http://hub", Transport: h, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

func (h *fakeHub) guard(t *testing.T) *Guard {
	t.Helper()
	g, err := New(Config{Hub: h.config(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func request(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/api/v1/clusters", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func TestATokenThatTheHubRefusesIsToldFromAHubThatIsAway(t *testing.T) {
	for _, tc := range []struct {
		name, token string
		spoil       func(*fakeHub)
		want        error
	}{
		{"good", "jane", func(*fakeHub) {}, nil},
		{"refused", "garbage", func(*fakeHub) {}, httpapi.ErrUnauthenticated},
		{"none", "", func(*fakeHub) {}, httpapi.ErrUnauthenticated},
		{"none, of a broken hub", "", func(h *fakeHub) { h.status.Store(500) }, httpapi.ErrUnauthenticated},
		{"hub broken", "jane", func(h *fakeHub) { h.status.Store(500) }, httpapi.ErrUndecided},
		{"master may not ask", "jane", func(h *fakeHub) { h.status.Store(403) }, httpapi.ErrUndecided},
		{"hub's webhook says who the master is not", "jane", func(h *fakeHub) { h.status.Store(401) }, httpapi.ErrUndecided},
		{"hub busy", "jane", func(h *fakeHub) { h.status.Store(429) }, httpapi.ErrUndecided},
		{"hub hangs", "jane", func(h *fakeHub) { h.hang.Store(true) }, httpapi.ErrUndecided},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub := &fakeHub{}
				tc.spoil(hub)
				began := time.Now()
				caller, err := hub.guard(t).Identify(request(tc.token))
				if !errors.Is(err, tc.want) || (caller != nil) != (tc.want == nil) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
				if took := time.Since(began); took > questionTimeout {
					t.Errorf("it took %s, want %s at most", took, questionTimeout)
				}
			})
		})
	}
}

func TestAHubThatHangsIsNotWaitedForLongerThanAQuestionMayTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		caller, err := hub.guard(t).Identify(request("jane"))
		if err != nil {
			t.Fatal(err)
		}
		hub.hang.Store(true)
		began := time.Now()
		err = caller(t.Context(), httpapi.Access{Verb: "list"})
		if !errors.Is(err, httpapi.ErrUndecided) || time.Since(began) > questionTimeout {
			t.Errorf("got %v after %s, want %v after %s at most", err, time.Since(began), httpapi.ErrUndecided, questionTimeout)
		}
	})
}

func TestAnswersOfTheHubAreRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &fakeHub{}
		guard := hub.guard(t)
		ask := func() {
			t.Helper()
			caller, err := guard.Identify(request("jane"))
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
		if hub.tokens.Load() != 1 || hub.rights.Load() != 1 {
			t.Errorf("%d TokenReviews and %d SubjectAccessReviews for ten requests, want one each", hub.tokens.Load(), hub.rights.Load())
		}
		<-time.After(acceptedFor + time.Second)
		ask()
		if hub.tokens.Load() != 2 || hub.rights.Load() != 2 {
			t.Errorf("%d and %d after %s, want two each", hub.tokens.Load(), hub.rights.Load(), acceptedFor)
		}
	})
}
