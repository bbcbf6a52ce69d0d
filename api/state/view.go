package state

// NodeView is a node in the HTTP API.
type NodeView struct {
	*Node
	*NodeLoad
	Used *Used `json:"used,omitempty"`
}

// ContainerView is a container in the HTTP API.
type ContainerView struct {
	*Container
	// ExitCode is absent unless the container has terminated.
	ExitCode *int32 `json:"exitCode,omitempty"`
	Used     *Used  `json:"used,omitempty"`
}

// NewContainerView returns the view of a container and its usage, nil if that is unknown.
func NewContainerView(c *Container, used *Used) ContainerView {
	v := ContainerView{Container: c, Used: used}
	if c.State == Terminated {
		v.ExitCode = &c.ExitCode
	}
	return v
}

// PodView is a pod in the HTTP API.
type PodView struct{ *Pod }

// PortView is a row of the port map in the HTTP API.
type PortView struct {
	*Port
	Targets   []*Target `json:"targets"`
	Conflicts []PortKey `json:"conflicts,omitempty"`
}

// PortKey identifies a row of the port map in the HTTP API.
type PortKey struct {
	Node      string   `json:"node"`
	Address   string   `json:"address,omitempty"`
	Protocol  Protocol `json:"protocol"`
	Port      uint16   `json:"port"`
	Kind      PortKind `json:"kind"`
	Namespace string   `json:"namespace,omitempty"`
	Service   string   `json:"service,omitempty"`
	Pod       string   `json:"pod,omitempty"`
}

func portKeyOf(p *Port) PortKey {
	return PortKey{Node: p.Node, Address: p.Address, Protocol: p.Protocol, Port: p.Port, Kind: p.Kind, Namespace: p.Namespace, Service: p.Service, Pod: p.Pod}
}
