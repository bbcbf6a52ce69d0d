package state

import "cmp"

// Kind is a kind of object with keys of its own.
type Kind uint8

const (
	KindNode Kind = iota
	KindNodeLoad
	KindPod
	KindContainer
	KindPort
	KindTarget
	KindService
	KindClaim
	KindPersistentVolume
	// NumKinds is the number of kinds, which are numbered from 0.
	NumKinds
)

var kindNames = []string{"node", "nodeLoad", "pod", "container", "port", "target", "service", "claim", "persistentVolume"}

func (k Kind) String() string { return name(kindNames, k) }

// Key identifies an object within a cluster. Which fields are set depends on the kind:
//
//   - node, nodeLoad, persistentVolume: Name.
//   - pod, service, claim: Namespace, Name.
//   - container: Namespace, Name (of the pod), Sub (of the container).
//   - port: Node, Address, Protocol, Port, PortKind, Namespace, Name (of the Service or pod), Sub
//     (the kind of owner: "service", "pod" or empty).
//   - target: Namespace, Name (of the Service), Sub (of the service port), Protocol, Address (the
//     pod's name, else the first address), Node ("pod" or "address"), Port (of the endpoint).
type Key struct {
	Kind      Kind
	Protocol  Protocol
	PortKind  PortKind
	Port      uint16
	Namespace string
	Name      string
	Sub       string
	Node      string
	Address   string
}

// Compare orders keys as lists show them: nodes, pods and containers by name; ports by node,
// address, protocol and number; targets by their service port.
func (k Key) Compare(o Key) int {
	if c := cmp.Compare(k.Kind, o.Kind); c != 0 {
		return c
	}
	if k.Kind == KindPort {
		if c := cmp.Or(cmp.Compare(k.Node, o.Node), cmp.Compare(k.Address, o.Address), cmp.Compare(k.Protocol, o.Protocol),
			cmp.Compare(k.Port, o.Port), cmp.Compare(k.PortKind, o.PortKind)); c != 0 {
			return c
		}
	}
	if c := cmp.Compare(k.Namespace, o.Namespace); c != 0 {
		return c
	}
	if c := cmp.Compare(k.Name, o.Name); c != 0 {
		return c
	}
	if c := cmp.Compare(k.Sub, o.Sub); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(k.Protocol, o.Protocol), cmp.Compare(k.Node, o.Node), cmp.Compare(k.Address, o.Address), cmp.Compare(k.Port, o.Port))
}

// Owners of a port and kinds of endpoints. They distinguish a Service from a pod of the same name,
// and a pod from an address.
const (
	ownerService    = "service"
	ownerPod        = "pod"
	endpointPod     = "pod"
	endpointAddress = "address"
)

func (n *Node) Key() Key     { return Key{Kind: KindNode, Name: n.Name} }
func (l *NodeLoad) Key() Key { return Key{Kind: KindNodeLoad, Name: l.Node} }
func (p *Pod) Key() Key      { return Key{Kind: KindPod, Namespace: p.Namespace, Name: p.Name} }

func (s *Service) Key() Key { return Key{Kind: KindService, Namespace: s.Namespace, Name: s.Name} }

func (c *Claim) Key() Key            { return Key{Kind: KindClaim, Namespace: c.Namespace, Name: c.Name} }
func (v *PersistentVolume) Key() Key { return Key{Kind: KindPersistentVolume, Name: v.Name} }

func (c *Container) Key() Key {
	return Key{Kind: KindContainer, Namespace: c.Namespace, Name: c.Pod, Sub: c.Name}
}

func (p *Port) Key() Key {
	k := Key{Kind: KindPort, Node: p.Node, Address: p.Address, Protocol: p.Protocol, Port: p.Port, PortKind: p.Kind, Namespace: p.Namespace}
	switch {
	case p.Service != "":
		k.Name, k.Sub = p.Service, ownerService
	case p.Pod != "":
		k.Name, k.Sub = p.Pod, ownerPod
	}
	return k
}

func (t *Target) Key() Key {
	k := targetsKey(t.ServiceNamespace, t.Service, t.ServicePort, t.Protocol)
	k.Address = t.endpoint()
	k.Node, k.Port = endpointAddress, t.ContainerPort
	if t.Pod != "" {
		k.Node = endpointPod
	}
	return k
}

// targetsKey returns a key that sorts before all targets of a service port and after those of the
// preceding one.
func targetsKey(namespace, service, port string, protocol Protocol) Key {
	return Key{Kind: KindTarget, Namespace: namespace, Name: service, Sub: port, Protocol: protocol}
}
