// Command follow-go follows a cluster with nothing but net/http:
//
//	ROLLCALL_URL=https://rollcall.example:8443 ROLLCALL_TOKEN=… follow-go prod-eu
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"time"
)

// event is what each line of a watch holds.
type event struct {
	Type            string          `json:"type"`
	Kind            string          `json:"kind"`
	ResourceVersion string          `json:"resourceVersion"`
	Object          json.RawMessage `json:"object"`
}

var errTooOld = errors.New("the version is too old")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: follow-go CLUSTER")
		os.Exit(2)
	}
	follow(ctx, os.Getenv("ROLLCALL_URL")+"/api/v1/clusters/"+url.PathEscape(os.Args[1]), show)
}

// follow hands on events until ctx ends: it goes on where a connection broke.
func follow(ctx context.Context, address string, hand func(event)) {
	version := "0"
	for ctx.Err() == nil {
		err := watch(ctx, address, version, func(e event) {
			version = e.ResourceVersion // an ERROR event has none: start again without a version
			hand(e)
		})
		if errors.Is(err, errTooOld) {
			version = "0"
			continue
		}
		fmt.Fprintln(os.Stderr, err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// watch hands on events until the connection breaks.
func watch(ctx context.Context, address, version string, hand func(event)) error {
	query := url.Values{"watch": {"true"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {version}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if token := os.Getenv("ROLLCALL_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusGone:
		return errTooOld
	default:
		problem, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
		return errors.Join(fmt.Errorf("%s: %s", answer.Status, problem), err)
	}
	for events := json.NewDecoder(answer.Body); ; {
		var e event
		if err := events.Decode(&e); err != nil {
			return err
		}
		hand(e)
	}
}

func show(e event) {
	var named struct {
		Name string `json:"name"`
	}
	// What has no name is shown without.
	_ = json.Unmarshal(e.Object, &named)
	fmt.Println(e.Type, e.Kind, named.Name)
}
