package heapster

import (
	"strings"

	"rollcall.dev/rollcall/master/samples"
)

// Path is a path below /api/v1.
type Path struct {
	// Pattern has path parameters in braces. {metric} is always the last one, and may
	// contain slashes.
	Pattern string
	// Description describes the response, for the OpenAPI document.
	Description string
	// Body is a value of the type of Response.Body.
	Body any
	// Timed is true if the path has the parameters start and end.
	Timed bool

	op   op
	kind samples.Kind
}

// Paths are all paths that Parse accepts.
var Paths = []Path{
	{"/metric-export", "The newest point of each metric of each node, pod and container.", []Timeseries{}, false, opExport, samples.KindCluster},
	{"/metric-export-schema", "The metrics and labels of metric-export.", TimeseriesSchema{}, false, opSchema, samples.KindCluster},
	list("/model/debug/allkeys", "Keys of all objects that have metrics.", opKeys, samples.KindCluster),
	list("/model/nodes", "Names of nodes.", opNodes, samples.KindCluster),
	list("/model/nodes/{node}/freecontainers", "Always empty: Rollcall does not know containers outside of pods.", opFreeContainers, systemContainer),
	list("/model/namespaces", "Names of namespaces.", opNamespaces, samples.KindCluster),
	list("/model/namespaces/{namespace}/pods", "Names of a namespace's pods.", opPods, samples.KindNamespace),
	list("/model/namespaces/{namespace}/pods/{pod}/containers", "Names of a pod's containers.", opContainers, samples.KindPod),
	list("/model/metrics", "Names of a cluster's metrics.", opMetricNames, samples.KindCluster),
	points("/model/metrics/{metric}", "A metric of a cluster.", samples.KindCluster),
	list("/model/nodes/{node}/metrics", "Names of a node's metrics.", opMetricNames, samples.KindNode),
	points("/model/nodes/{node}/metrics/{metric}", "A metric of a node.", samples.KindNode),
	list("/model/nodes/{node}/freecontainers/{container}/metrics", "Always empty.", opMetricNames, systemContainer),
	points("/model/nodes/{node}/freecontainers/{container}/metrics/{metric}", "Always empty.", systemContainer),
	list("/model/namespaces/{namespace}/metrics", "Names of a namespace's metrics.", opMetricNames, samples.KindNamespace),
	points("/model/namespaces/{namespace}/metrics/{metric}", "A metric of a namespace.", samples.KindNamespace),
	list("/model/namespaces/{namespace}/pods/{pod}/metrics", "Names of a pod's metrics.", opMetricNames, samples.KindPod),
	points("/model/namespaces/{namespace}/pods/{pod}/metrics/{metric}", "A metric of a pod.", samples.KindPod),
	list("/model/namespaces/{namespace}/pods/{pod}/containers/{container}/metrics", "Names of a container's metrics.", opMetricNames, samples.KindContainer),
	points("/model/namespaces/{namespace}/pods/{pod}/containers/{container}/metrics/{metric}", "A metric of a container.", samples.KindContainer),
	{"/model/namespaces/{namespace}/pod-list/{pods}/metrics/{metric}", "A metric of several pods, named as a comma-separated list.", MetricResultList{}, true, opPodList, samples.KindNamespace},
}

// patterns are the elements of the Patterns of Paths.
var patterns = split(Paths)

func split(paths []Path) [][]string {
	all := make([][]string, len(paths))
	for i := range paths {
		all[i] = strings.Split(paths[i].Pattern[1:], "/")
	}
	return all
}

func list(pattern, description string, op op, kind samples.Kind) Path {
	return Path{pattern, description, []string{}, false, op, kind}
}

func points(pattern, description string, kind samples.Kind) Path {
	return Path{pattern, description, MetricResult{}, true, opPoints, kind}
}

// route finds the pattern that matches, and reports whether there is one.
func (q *Query) route(parts []string) bool {
	for i := range Paths {
		if match(parts, patterns[i]) {
			q.op, q.entity.Kind = Paths[i].op, Paths[i].kind
			q.setParameters(parts, patterns[i])
			return true
		}
	}
	return false
}

// match reports whether the elements of a path match a pattern.
func match(parts, pattern []string) bool {
	if len(parts) < len(pattern) || len(parts) > len(pattern) && pattern[len(pattern)-1] != "{metric}" {
		return false
	}
	for i, p := range pattern {
		if parts[i] == "" || parts[i] != p && p[0] != '{' {
			return false
		}
	}
	return true
}

// setParameters sets the fields of q from the path parameters.
func (q *Query) setParameters(parts, pattern []string) {
	for i, p := range pattern {
		switch p {
		case "{node}":
			q.entity.Node = parts[i]
		case "{namespace}":
			q.entity.Namespace = parts[i]
		case "{pod}":
			q.entity.Pod = parts[i]
		case "{container}":
			q.entity.Container = parts[i]
		case "{pods}":
			q.pods = strings.Split(parts[i], ",")
		case "{metric}":
			q.metricName = strings.Join(parts[i:], "/")
			q.metric = metricOf(q.metricName)
		}
	}
}
