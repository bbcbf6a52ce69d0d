package openapi

import (
	"reflect"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

// contractTypes holds the types of request bodies, responses and events, by the names of their
// schemas.
var contractTypes = map[string]reflect.Type{
	"Document":           reflect.TypeFor[httpv1.Document](),
	"SummaryDocument":    reflect.TypeFor[httpv1.SummaryDocument](),
	"NodesDocument":      reflect.TypeFor[httpv1.NodesDocument](),
	"PodsDocument":       reflect.TypeFor[httpv1.PodsDocument](),
	"ContainersDocument": reflect.TypeFor[httpv1.ContainersDocument](),
	"PortsDocument":      reflect.TypeFor[httpv1.PortsDocument](),
	"ClusterList":        reflect.TypeFor[httpv1.ClusterList](),
	"Cluster":            reflect.TypeFor[httpv1.Cluster](),
	"Session":            reflect.TypeFor[httpv1.SessionStatus](),
	"ClusterSession":     reflect.TypeFor[httpv1.Session](),
	"Usage":              reflect.TypeFor[httpv1.Usage](),
	"Bookmark":           reflect.TypeFor[httpv1.Bookmark](),
	"FleetBookmark":      reflect.TypeFor[httpv1.ListBookmark](),
	"Status":             reflect.TypeFor[httpv1.Status](),
	"Problem":            reflect.TypeFor[httpv1.Problem](),
	"Credentials":        reflect.TypeFor[httpv1.Credentials](),
	"SignedIn":           reflect.TypeFor[httpv1.SignedIn](),
	"Version":            reflect.TypeFor[httpv1.Version](),
	"Summary":            reflect.TypeFor[state.Summary](),
	"ClusterProblem":     reflect.TypeFor[state.Problem](),
	"Node":               reflect.TypeFor[state.NodeView](),
	"Pod":                reflect.TypeFor[state.PodView](),
	"Container":          reflect.TypeFor[state.ContainerView](),
	"Port":               reflect.TypeFor[state.PortView](),
}

// eventObjects holds the schema of the object of each kind of event.
var eventObjects = []struct {
	kind       httpv1.Kind
	schemaName string
}{
	{httpv1.KindNode, "Node"},
	{httpv1.KindPod, "Pod"},
	{httpv1.KindContainer, "Container"},
	{httpv1.KindPort, "Port"},
	{httpv1.KindSummary, "Summary"},
	{httpv1.KindUsage, "Usage"},
	{httpv1.KindSession, "Session"},
	{httpv1.KindCluster, "Cluster"},
}

// eventSchemas returns the alternatives of an httpv1.Event: one for each kind of object, and those of
// BOOKMARK and ERROR, which have no kind.
func eventSchemas() []Schema {
	var all []Schema
	for _, o := range eventObjects {
		e := eventSchema(ref(o.schemaName), httpv1.Added, httpv1.Modified, httpv1.Deleted)
		e["properties"].(Schema)["kind"] = Enum(string(o.kind))
		e["required"] = []string{"type", "kind", "resourceVersion", "object"}
		all = append(all, e)
	}
	bookmark := eventSchema(Schema{"anyOf": []Schema{ref("Bookmark"), ref("FleetBookmark")}}, httpv1.BookmarkEvent)
	bookmark["required"] = []string{"type", "resourceVersion", "object"}
	failure := eventSchema(ref("Status"), httpv1.ErrorEvent)
	failure["required"] = []string{"type", "object"}
	return append(all, bookmark, failure)
}

func eventSchema(object Schema, types ...httpv1.EventType) Schema {
	return Schema{
		"type": "object", "additionalProperties": false,
		"properties": Schema{
			"type":            Enum(text(types...)...),
			"resourceVersion": Schema{"type": "string", "description": "Where to resume after this event."},
			"cluster":         Schema{"type": "string", "description": "Name of the cluster, in streams of the list of clusters."},
			"object":          object,
		},
	}
}

// text returns named strings as strings.
func text[T ~string](values ...T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
