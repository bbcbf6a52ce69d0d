// Command follow-go watches a cluster with only net/http:
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

// event is one line of a watch.
type event struct {
	Type            string          `json:"type"`
	Kind            string          `json:"kind"`
	ResourceVersion string          `json:"resourceVersion"`
	Object          json.RawMessage `json:"object"`
}

var errTooOld = errors.New("the resourceVersion is too old")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: follow-go CLUSTER")
		os.Exit(2)
	}
	follow(ctx, os.Getenv("ROLLCALL_URL")+"/api/v1/clusters/"+url.PathEscape(os.Args[1]), show)
}

// follow calls handle with each event until ctx ends. After an interruption it resumes from the last
// event.
func follow(ctx context.Context, address string, handle func(event)) {
	version := "0"
	for ctx.Err() == nil {
		err := watch(ctx, address, version, func(e event) {
			version = e.ResourceVersion // an ERROR event has none: start again without a version
			handle(e)
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

// watch calls handle with each event until the connection breaks.
func watch(ctx context.Context, address, version string, handle func(event)) error {
	query := url.Values{"watch": {"true"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {version}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if token := os.Getenv("ROLLCALL_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusGone:
		return errTooOld
	default:
		problem, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
		return errors.Join(fmt.Errorf("%s: %s", response.Status, problem), err)
	}
	for events := json.NewDecoder(response.Body); ; {
		var e event
		if err := events.Decode(&e); err != nil {
			return err
		}
		handle(e)
	}
}

// show prints an event.
func show(e event) {
	var named struct {
		Name string `json:"name"`
	}
	// Objects without a name are printed without one.
	_ = json.Unmarshal(e.Object, &named)
	fmt.Println(e.Type, e.Kind, named.Name)
}
