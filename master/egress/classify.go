package egress

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// class is the kind of an address.
type class string

// The classes of addresses. Only ordinary and loopback addresses can be allowed.
const (
	ordinary    class = "ordinary"
	loopback    class = "a loopback address"
	unspecified class = "the unspecified address"
	thisNetwork class = "an address of this network, 0.0.0.0/8"
	broadcast   class = "the broadcast address"
	multicast   class = "a multicast address"
	linkLocal   class = "a link-local address"
	metadata    class = "an address of a cloud's metadata service"
)

var zeroNetwork = netip.MustParsePrefix("0.0.0.0/8")

// metadataServices are the addresses of cloud metadata services outside of link-local ranges.
var metadataServices = []netip.Prefix{
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
	netip.MustParsePrefix("fd00:ec2::/32"),      // Amazon: ::254, ::23 and others
	netip.MustParsePrefix("fd00:c1::/32"),       // Oracle Cloud: fd00:c1::a9fe:a9fe
	netip.MustParsePrefix("fd20:ce::/32"),       // Google Cloud: fd20:ce::254
	netip.MustParsePrefix("fd00:42::42/128"),    // Scaleway
}

// classify returns the class of an address. It ignores an embedded IPv4 address.
func classify(a netip.Addr) class {
	switch {
	case a.IsUnspecified():
		return unspecified
	case a.IsLoopback():
		return loopback
	case a.IsMulticast():
		return multicast
	case a.IsLinkLocalUnicast():
		return linkLocal
	case zeroNetwork.Contains(a):
		return thisNetwork
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return broadcast
	}
	for _, p := range metadataServices {
		if p.Contains(a) {
			return metadata
		}
	}
	return ordinary
}

// These are prefixes of IPv6 addresses that embed an IPv4 address.
var (
	compatible  = netip.MustParsePrefix("::/96")
	translated  = netip.MustParsePrefix("::ffff:0:0:0/96") // SIIT, RFC 2765
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
	nat64Local  = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour   = netip.MustParsePrefix("2002::/16")
	teredo      = netip.MustParsePrefix("2001::/32")
	isatapGroup = []uint32{0x00005efe, 0x02005efe}
)

// embeddedIPv4 returns the IPv4 addresses to which packets for an IPv6 address may be forwarded.
func embeddedIPv4(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	last := netip.AddrFrom4([4]byte(b[12:16]))
	switch {
	case compatible.Contains(a) && !a.IsUnspecified() && !a.IsLoopback(), translated.Contains(a), nat64.Contains(a):
		return []netip.Addr{last}
	case nat64Local.Contains(a):
		return localNAT64(b)
	case sixToFour.Contains(a):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	case teredo.Contains(a):
		// The address of the Teredo server, and that of the client, whose bits are inverted.
		client := ^binary.BigEndian.Uint32(b[12:16])
		return []netip.Addr{netip.AddrFrom4([4]byte(b[4:8])), netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, client)))}
	}
	for _, group := range isatapGroup {
		if binary.BigEndian.Uint32(b[8:12]) == group {
			return []netip.Addr{last}
		}
	}
	return nil
}

// localNAT64 returns the IPv4 addresses that an address in 64:ff9b:1::/48 embeds for each possible
// length of the prefix (RFC 6052, section 2.2). Bits 64 to 71 are not part of the IPv4 address.
// Addresses in 0.0.0.0/8 are omitted: the prefix has another length then, or the address is not
// reachable.
func localNAT64(b [16]byte) []netip.Addr {
	candidates := []netip.Addr{
		netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}),   // /48
		netip.AddrFrom4([4]byte{b[7], b[9], b[10], b[11]}),  // /56
		netip.AddrFrom4([4]byte{b[9], b[10], b[11], b[12]}), // /64
		netip.AddrFrom4([4]byte(b[12:16])),                  // /96
	}
	return slices.DeleteFunc(candidates, zeroNetwork.Contains)
}
