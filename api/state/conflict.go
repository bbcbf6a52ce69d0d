package state

import "slices"

// AllNodes is the node of a port that is taken on every node.
const AllNodes = "*"

// Conflicts are, for each port that cannot be had by all who claim it, the keys
// of the others, in key order. Two rows conflict when protocol and port are
// equal, the nodes are equal or one is `*`, the addresses are equal or one is all,
// and they are of different pods or Services. The scheduler checks HostPorts
// against each other only, so a HostPort and a NodePort can meet.
//
// A load balancer's port is taken at its own address, not at the nodes': it meets
// only rows of that very address. Otherwise every ingress controller that has port
// 80 of its nodes would conflict with every load balancer's port 80.
func Conflicts(s *State) map[*Port][]PortKey {
	conflicts := map[*Port][]PortKey{}
	meet := func(a, b *Port) {
		if sameHolder(a, b) || !addressesMeet(a, b) {
			return
		}
		conflicts[a] = append(conflicts[a], portKeyOf(b))
		conflicts[b] = append(conflicts[b], portKeyOf(a))
	}
	for _, byNode := range claims(s) {
		everywhere := byNode[AllNodes]
		for node, rows := range byNode {
			for i, a := range rows {
				for _, b := range rows[i+1:] {
					meet(a, b)
				}
				if node == AllNodes {
					continue
				}
				for _, b := range everywhere {
					meet(a, b)
				}
			}
		}
	}
	for _, keys := range conflicts {
		slices.SortFunc(keys, func(a, b PortKey) int { return a.port().Key().Compare(b.port().Key()) })
	}
	return conflicts
}

// claim is what two rows must both claim to meet at all.
type claim struct {
	protocol Protocol
	port     uint16
}

// claims are the rows by what they claim, then by node. Most ports are claimed on
// thousands of nodes by as many pods of one DaemonSet: only rows of one node, or
// of all, are ever compared.
func claims(s *State) map[claim]map[string][]*Port {
	all := map[claim]map[string][]*Port{}
	for p := range s.Ports() {
		c := claim{p.Protocol, p.Port}
		if all[c] == nil {
			all[c] = map[string][]*Port{}
		}
		all[c][p.Node] = append(all[c][p.Node], p)
	}
	return all
}

func addressesMeet(a, b *Port) bool {
	if a.Kind == LoadBalancer || b.Kind == LoadBalancer {
		return a.Address == b.Address
	}
	return a.Address == b.Address || a.Address == "" || b.Address == ""
}

func sameHolder(a, b *Port) bool {
	return a.Namespace == b.Namespace && a.Service == b.Service && a.Pod == b.Pod
}

func (k PortKey) port() *Port {
	return &Port{Node: k.Node, Address: k.Address, Protocol: k.Protocol, Port: k.Port, Kind: k.Kind, Namespace: k.Namespace, Service: k.Service, Pod: k.Pod}
}
