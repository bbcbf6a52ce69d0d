package heapster

import "strings"

// Path is one that is answered, below /api/v1.
type Path struct {
	// Pattern has names in braces for what may be anything; {metric}, which is always
	// the last, may have slashes in it.
	Pattern string
	// Words say what is there.
	Words string
	// Answer is an Answer's Body of this type.
	Answer any
	// Timed says that start and end mean something.
	Timed bool

	ask ask
	of  Kind
}

// Paths are all that there are: what is none of them was not in Heapster, or is not here.
var Paths = []Path{
	{"/metric-export", "The newest point of everything of nodes, pods and containers.", []Timeseries{}, false, askExport, Cluster},
	{"/metric-export-schema", "What metric-export has.", TimeseriesSchema{}, false, askSchema, Cluster},
	list("/model/debug/allkeys", "Keys of all that has metrics.", askKeys, Cluster),
	list("/model/nodes", "Names of nodes.", askNodes, Cluster),
	list("/model/nodes/{node}/freecontainers", "None: nothing is known of containers outside of pods.", askNothing, systemContainer),
	list("/model/namespaces", "Names of namespaces.", askNamespaces, Cluster),
	list("/model/namespaces/{namespace}/pods", "Names of a namespace's pods.", askPods, Namespace),
	list("/model/namespaces/{namespace}/pods/{pod}/containers", "Names of a pod's containers.", askContainers, Pod),
	list("/model/metrics", "Names of a cluster's metrics.", askNames, Cluster),
	points("/model/metrics/{metric}", "A metric of a cluster.", Cluster),
	list("/model/nodes/{node}/metrics", "Names of a node's metrics.", askNames, Node),
	points("/model/nodes/{node}/metrics/{metric}", "A metric of a node.", Node),
	list("/model/nodes/{node}/freecontainers/{container}/metrics", "None.", askNames, systemContainer),
	points("/model/nodes/{node}/freecontainers/{container}/metrics/{metric}", "Nothing.", systemContainer),
	list("/model/namespaces/{namespace}/metrics", "Names of a namespace's metrics.", askNames, Namespace),
	points("/model/namespaces/{namespace}/metrics/{metric}", "A metric of a namespace.", Namespace),
	list("/model/namespaces/{namespace}/pods/{pod}/metrics", "Names of a pod's metrics.", askNames, Pod),
	points("/model/namespaces/{namespace}/pods/{pod}/metrics/{metric}", "A metric of a pod.", Pod),
	list("/model/namespaces/{namespace}/pods/{pod}/containers/{container}/metrics", "Names of a container's metrics.", askNames, Container),
	points("/model/namespaces/{namespace}/pods/{pod}/containers/{container}/metrics/{metric}", "A metric of a container.", Container),
	{"/model/namespaces/{namespace}/pod-list/{pods}/metrics/{metric}", "A metric of several pods, whose names have commas between.", MetricResultList{}, true, askPodList, Namespace},
}

// patterns are the parts of Paths.
var patterns = split(Paths)

func split(paths []Path) [][]string {
	all := make([][]string, len(paths))
	for i := range paths {
		all[i] = strings.Split(paths[i].Pattern[1:], "/")
	}
	return all
}

func list(pattern, words string, ask ask, of Kind) Path {
	return Path{pattern, words, []string{}, false, ask, of}
}

func points(pattern, words string, of Kind) Path {
	return Path{pattern, words, MetricResult{}, true, askPoints, of}
}

// route finds the path that parts are, and says whether there is one.
func (q *Query) route(parts []string) bool {
	for i := range Paths {
		if match(parts, patterns[i]) {
			q.ask, q.of.Kind = Paths[i].ask, Paths[i].of
			q.name(parts, patterns[i])
			return true
		}
	}
	return false
}

// match says that a path has the parts of a pattern.
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

// name takes in what stands for the names in braces.
func (q *Query) name(parts, pattern []string) {
	for i, p := range pattern {
		switch p {
		case "{node}":
			q.of.Node = parts[i]
		case "{namespace}":
			q.of.Namespace = parts[i]
		case "{pod}":
			q.of.Pod = parts[i]
		case "{container}":
			q.of.Container = parts[i]
		case "{pods}":
			q.pods = strings.Split(parts[i], ",")
		case "{metric}":
			q.metricName = strings.Join(parts[i:], "/")
			q.metric = metricOf(q.metricName)
		}
	}
}
