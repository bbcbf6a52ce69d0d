package httpapi

import (
	"net/http"
	"strings"
)

// The path of the whole document of a cluster.
const (
	clustersPath = "/api/v1/clusters/"
	wholePattern = clustersPath + "{cluster}"
)

// fastClusterPath returns the cluster of a request for a whole document, if its path has no special
// characters. These are the most frequent requests, and for a cached response matching all routes
// in the mux takes relatively long. All other requests go through the mux.
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
