package view

import (
	"reflect"

	"rollcall.dev/rollcall/api/state"
)

// Schemas returns the types of responses and events, by the names of their OpenAPI schemas.
func Schemas() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Document": reflect.TypeFor[struct {
			head
			Summary    state.Summary         `json:"summary"`
			Nodes      []state.NodeView      `json:"nodes"`
			Pods       []state.PodView       `json:"pods"`
			Containers []state.ContainerView `json:"containers"`
			Ports      []state.PortView      `json:"ports"`
		}](),
		"SummaryDocument": reflect.TypeFor[struct {
			head
			Summary state.Summary `json:"summary"`
		}](),
		"NodesDocument": reflect.TypeFor[struct {
			head
			Nodes []state.NodeView `json:"nodes"`
		}](),
		"PodsDocument": reflect.TypeFor[struct {
			head
			Pods []state.PodView `json:"pods"`
		}](),
		"ContainersDocument": reflect.TypeFor[struct {
			head
			Containers []state.ContainerView `json:"containers"`
		}](),
		"PortsDocument": reflect.TypeFor[struct {
			head
			Ports []state.PortView `json:"ports"`
		}](),
		"ClusterList": reflect.TypeFor[struct {
			listHead
			Clusters []Cluster `json:"clusters"`
		}](),
		"Cluster":       reflect.TypeFor[Cluster](),
		"Summary":       reflect.TypeFor[state.Summary](),
		"Node":          reflect.TypeFor[state.NodeView](),
		"Pod":           reflect.TypeFor[state.PodView](),
		"Container":     reflect.TypeFor[state.ContainerView](),
		"Port":          reflect.TypeFor[state.PortView](),
		"Usage":         reflect.TypeFor[usageObject](),
		"Session":       reflect.TypeFor[sessionObject](),
		"Bookmark":      reflect.TypeFor[bookmarkObject](),
		"FleetBookmark": reflect.TypeFor[clusterListBookmark](),
	}
}

// SchemaName returns the name of the schema of a part.
func SchemaName(p Part) string {
	return [numParts]string{"Document", "SummaryDocument", "NodesDocument", "PodsDocument", "ContainersDocument", "PortsDocument"}[p]
}
