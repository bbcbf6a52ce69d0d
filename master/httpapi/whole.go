package httpapi

import (
	"net/http"
	"strings"
)

// Where the whole of a cluster is.
const (
	clustersPath = "/api/v1/clusters/"
	wholePattern = clustersPath + "{cluster}"
)

// wholeCluster is the cluster of which a request reads or watches the whole, if that can
// be told at a glance. It is what clients ask for most, and next to an answer that is
// held, the mux's look through all routes takes long. Paths with anything special in
// them are left to the mux.
func wholeCluster(r *http.Request) (cluster string, ok bool) {
	cluster, ok = strings.CutPrefix(r.URL.Path, clustersPath)
	if !ok || r.Method != http.MethodGet || r.URL.RawPath != "" {
		return "", false
	}
	return cluster, cluster != "" && cluster != "." && cluster != ".." && strings.IndexByte(cluster, '/') < 0
}

// askedCluster is what a request calls the cluster that it is about.
func askedCluster(r *http.Request) string {
	if cluster, ok := wholeCluster(r); ok {
		return cluster
	}
	return r.PathValue("cluster")
}
