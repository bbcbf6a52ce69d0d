package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// This file has what makes a GET of a whole document cheap while its report is fresh, which is the most frequent request.
// Everything here can be removed without an effect other than on speed. BenchmarkHandlerOfCachedGet shows what each part is
// worth: without fastClusterPath such a GET takes 1.1 times as long, without defaultParams 1.4 times, and without
// cachedReport 2 times.

// The path of the whole document of a cluster.
const (
	clustersPath = "/api/v1/clusters/"
	wholePattern = clustersPath + "{cluster}"
)

// fastClusterPath returns the cluster of a request for a whole document, if its path has no special
// characters. All other requests go through the mux, which matches all routes.
func fastClusterPath(r *http.Request) (cluster string, ok bool) {
	cluster, ok = strings.CutPrefix(r.URL.Path, clustersPath)
	if !ok || r.Method != http.MethodGet || r.URL.RawPath != "" {
		return "", false
	}
	return cluster, cluster != "" && cluster != "." && cluster != ".." && strings.IndexByte(cluster, '/') < 0
}

// requestedCluster returns the cluster's name or address in the path of a request.
func requestedCluster(r *http.Request) string {
	if cluster, ok := fastClusterPath(r); ok {
		return cluster
	}
	return r.PathValue("cluster")
}

// defaultParams returns the parameters of a request without a query string.
func defaultParams(part view.Part) params {
	return params{query: view.Query{Part: part}, timeout: defaultTimeout}
}

// freshMargin is how long a report must remain fresh to be returned without waiting.
const freshMargin = time.Second

// cachedReport returns a report that is fresh, without the timeout and the cancellation that waiting needs, or nil.
func (a *API) cachedReport(ctx context.Context, cluster string, p params) *session.Report {
	if last, ok := a.config.Sessions.LastReport(cluster); !ok || p.awaitUsage || p.minVersion != nil && last.Version().Compare(*p.minVersion) < 0 || !last.Fresh(time.Now().Add(freshMargin)) {
		return nil
	}
	r, err := a.config.Sessions.Await(ctx, cluster)
	if err != nil {
		return nil
	}
	return r
}

// ageHeader returns a duration in whole seconds as a header value. Small values are preallocated.
func ageHeader(d time.Duration) []string {
	if seconds := int(d / time.Second); seconds >= len(ageHeaders) {
		return []string{strconv.Itoa(seconds)}
	}
	return ageHeaders[d/time.Second]
}

var ageHeaders = func() (texts [64][]string) {
	for i := range texts {
		texts[i] = []string{strconv.Itoa(i)}
	}
	return texts
}()

// Header values that all responses share, so that they need no allocation. They must not be modified.
var (
	cacheControlHeader = []string{"private, no-cache"}
	varyHeader         = []string{"Accept-Encoding, Authorization, Cookie"}
	noSniffHeader      = []string{"nosniff"}
	jsonContentType    = []string{httpv1.JSONMediaType}
	contentEncodings   = [...][]string{view.Gzip: {view.Gzip.String()}, view.Zstd: {view.Zstd.String()}}
)
