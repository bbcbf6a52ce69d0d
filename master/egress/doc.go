// Package egress decides which addresses a master may dial. A user who may write
// ClusterAgents chooses where the master connects to, and reads in their conditions what
// came of it; without bounds that is a probe of the master's own network.
//
// The decision is made for each resolved address at the moment of connecting
// (Policy.Control), so that a name which resolves to something else the second time
// changes nothing. By class of address:
//
//	unspecified, "this network", broadcast, multicast   never: there is no agent
//	link-local, metadata services of clouds             never
//	loopback                                            by Policy.Loopback
//	the hub's API server                                by Policy.HubAPI
//	all others, private ranges too                      yes, but for Policy.Deny and, where given, only in Policy.Allow
//
// An IPv6 address that carries an IPv4 address (IPv4-mapped and -compatible, NAT64, 6to4,
// Teredo, ISATAP) has to pass by what it carries, too.
package egress
