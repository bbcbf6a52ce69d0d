package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestWatchEndsWhenItsAddressMovesToAnotherCluster(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), "/api/v1/clusters/203.0.113.7/nodes?watch=true", nil)
		w.text()
		f.Change(func() { f.Registered[0].ClusterIPs, f.Registered[1].ClusterIPs = nil, []string{"203.0.113.7"} })
		<-time.After(recheckInterval)
		events := w.text()
		if !strings.Contains(events, `"code":410`) || !w.ended() {
			t.Errorf("got %s, want ERROR 410 and the end of the stream", events)
		}
	})
}

func TestWatchEndsWhenTheTokenExpires(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		expires := time.Now().Add(time.Minute)
		api := f.api(func(c *Config) {
			c.Authenticate = func(*http.Request) (Authorizer, error) {
				if time.Now().After(expires) {
					return nil, fmt.Errorf("%w: the token has expired", ErrUnauthenticated)
				}
				return func(context.Context, Access) error { return nil }, nil
			}
		})
		w := watching(t, api, eu1+"/nodes?watch=true", nil)
		w.text()
		<-time.After(time.Minute)
		if w.ended() {
			t.Fatal("the stream ended before the token expired")
		}
		<-time.After(recheckInterval)
		w.expect("MODIFIED Session Reporting", "ERROR 401 Unauthorized")
		if !w.ended() {
			t.Error("the stream continues, want it ended")
		}
	})
}

func TestWatchEndsWhenAccessIsRevoked(t *testing.T) {
	for err, want := range map[error]string{ErrForbidden: "ERROR 403 Forbidden", ErrHidden: "ERROR 404 NotFound"} {
		bubble(t, func(t *testing.T, f *fake) {
			begin := time.Now()
			api := f.api(func(c *Config) {
				c.Authenticate = func(*http.Request) (Authorizer, error) {
					return func(_ context.Context, want Access) error {
						if want.Verb != "watch" || !want.Details || want.Cluster != "prod-eu" {
							return fmt.Errorf("%w: asked for %+v", ErrForbidden, want)
						}
						if time.Since(begin) > time.Second {
							return err
						}
						return nil
					}, nil
				}
			})
			w := watching(t, api, eu1+"/nodes?watch=true", nil)
			w.text()
			<-time.After(recheckInterval)
			if got := w.received(); len(got) == 0 || got[len(got)-1] != want || !w.ended() {
				t.Errorf("got %v, want %s and the end of the stream", got, want)
			}
		})
	}
}

func TestWatchSurvivesAShortOutageOfTheAuthorizer(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		begin := time.Now()
		api := f.api(func(c *Config) {
			c.Authenticate = func(*http.Request) (Authorizer, error) {
				if time.Since(begin) > time.Second {
					return nil, fmt.Errorf("%w: the hub is unavailable", ErrAuthorizerUnavailable)
				}
				return func(context.Context, Access) error { return nil }, nil
			}
		})
		w := watching(t, api, eu1+"/nodes?watch=true", nil)
		<-time.After(authorizerOutageTimeout)
		if w.ended() {
			t.Error("the stream ended immediately")
		}
		<-time.After(authorizerOutageTimeout)
		if got := w.received(); got[len(got)-1] != "ERROR 503 Undecided" || !w.ended() {
			t.Errorf("got %v, want ERROR 503 and the end of the stream", got)
		}
	})
}
