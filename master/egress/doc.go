// Package egress decides which addresses a master may connect to. A user who can write
// ClusterAgents chooses where the master connects to, and can read the result in their
// conditions. Without a policy this could be used to scan the master's network.
//
// The decision is made for each resolved address when connecting (Policy.Control), so a name
// that later resolves to another address does not bypass it. By class of address:
//
//	unspecified, "this network", broadcast, multicast   never: cannot be an agent
//	link-local, metadata services of clouds             never
//	loopback                                            by Policy.Loopback
//	the hub's API server                                by Policy.HubAPI
//	all others, private ranges too                      unless in Policy.Deny; only in Policy.Allow if that is set
//
// If an IPv6 address embeds an IPv4 address (IPv4-mapped and -compatible, NAT64, 6to4, Teredo,
// ISATAP), both have to be allowed.
package egress
