package state

// NodeView is a whole node as clients see it.
type NodeView struct {
	*Node
	*NodeLoad
	Used *Used `json:"used,omitempty"`
}

// ContainerView is a whole container as clients see it.
type ContainerView struct {
	*Container
	// ExitCode is absent while the container has not terminated.
	ExitCode *int32 `json:"exitCode,omitempty"`
	Used     *Used  `json:"used,omitempty"`
}

// NewContainerView is the view of a container, with what it uses, nil for unknown.
func NewContainerView(c *Container, used *Used) ContainerView {
	v := ContainerView{Container: c, Used: used}
	if c.State == Terminated {
		v.ExitCode = &c.ExitCode
	}
	return v
}

// PodView is a whole pod as clients see it.
type PodView struct{ *Pod }

// PortView is a whole row of the port map as clients see it.
type PortView struct {
	*Port
	Targets   []*Target `json:"targets"`
	Conflicts []PortKey `json:"conflicts,omitempty"`
}

// PortKey is a Key of kind port as clients see it.
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
