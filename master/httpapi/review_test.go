package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAnAddressThatIsAnotherClustersByNowEndsTheWatch(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), "/api/v1/clusters/203.0.113.7/nodes?watch=true", nil)
		w.text()
		f.change(func() { f.byIP["203.0.113.7"] = "v1.24.lab" })
		<-time.After(reviewPeriod)
		events := w.text()
		if !strings.Contains(events, `"code":410`) || !w.ended() {
			t.Errorf("heard %s; want ERROR 410 and the end", events)
		}
	})
}

func TestATokenThatExpiresEndsTheWatch(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		expires := time.Now().Add(time.Minute)
		api := f.api(func(c *Config) {
			c.Identify = func(*http.Request) (Caller, error) {
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
			t.Fatal("it ended before the token did")
		}
		<-time.After(reviewPeriod)
		w.sees("MODIFIED Session Reporting", "ERROR 401 Unauthorized")
		if !w.ended() {
			t.Error("the stream goes on")
		}
	})
}

func TestARightThatIsTakenEndsTheWatch(t *testing.T) {
	for err, want := range map[error]string{ErrForbidden: "ERROR 403 Forbidden", ErrHidden: "ERROR 404 NotFound"} {
		bubble(t, func(t *testing.T, f *fake) {
			begin := time.Now()
			api := f.api(func(c *Config) {
				c.Identify = func(*http.Request) (Caller, error) {
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
			<-time.After(reviewPeriod)
			if got := w.heard(); len(got) == 0 || got[len(got)-1] != want || !w.ended() {
				t.Errorf("heard %v, want %s and the end", got, want)
			}
		})
	}
}

func TestAHubThatDoesNotAnswerEndsTheWatchOnlyAfterAWhile(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		begin := time.Now()
		api := f.api(func(c *Config) {
			c.Identify = func(*http.Request) (Caller, error) {
				if time.Since(begin) > time.Second {
					return nil, fmt.Errorf("%w: the hub is away", ErrUndecided)
				}
				return func(context.Context, Access) error { return nil }, nil
			}
		})
		w := watching(t, api, eu1+"/nodes?watch=true", nil)
		<-time.After(undecidedGrace)
		if w.ended() {
			t.Error("it ended at once")
		}
		<-time.After(undecidedGrace)
		if got := w.heard(); got[len(got)-1] != "ERROR 503 Undecided" || !w.ended() {
			t.Errorf("heard %v, want ERROR 503 and the end", got)
		}
	})
}
