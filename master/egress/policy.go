package egress

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// ErrRefused is wrapped by every error of a Policy.
var ErrRefused = errors.New("the address must not be dialed")

// Policy decides which addresses may be dialed. The zero value refuses loopback addresses and
// allows all others that can be those of an agent. It is safe for concurrent use.
type Policy struct {
	// Loopback allows loopback addresses.
	Loopback bool
	// HubAPI returns the addresses of the hub's API server, which are refused. It may be nil.
	HubAPI func(context.Context) ([]netip.AddrPort, error)
	// Allow has the only ranges that may be dialed; empty allows all. It does not allow addresses
	// that are refused for their class. IPv4 ranges must not be written as IPv4-mapped.
	Allow []netip.Prefix
	// Deny has ranges that are refused. It takes precedence over Allow.
	Deny []netip.Prefix
}

// Control implements net.Dialer.ControlContext: it is called with each resolved address
// before a connection to it is opened.
func (p *Policy) Control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is not an IP address and port", ErrRefused, address)
	}
	return p.Check(ctx, target)
}

// Check returns nil if an address may be dialed, or an error that wraps ErrRefused.
func (p *Policy) Check(ctx context.Context, target netip.AddrPort) error {
	a := target.Addr().WithZone("").Unmap()
	if err := p.checkAddr(a, a); err != nil {
		return err
	}
	for _, embedded := range embeddedIPv4(a) {
		if err := p.checkAddr(a, embedded); err != nil {
			return err
		}
	}
	if len(p.Allow) > 0 && !within(p.Allow, a) {
		return fmt.Errorf("%w: %s is not in a range of --dial-allow", ErrRefused, a)
	}
	return p.checkHub(ctx, netip.AddrPortFrom(a, target.Port()))
}

// checkAddr checks the class of a and Deny. a is whole, or an address that is embedded in it.
func (p *Policy) checkAddr(whole, a netip.Addr) error {
	name := whole.String()
	if whole != a {
		name += ", which embeds " + a.String() + ","
	}
	switch c := classify(a); {
	case c == loopback && p.Loopback:
	case c == loopback:
		return fmt.Errorf("%w: %s is %s, which requires --dial-loopback", ErrRefused, name, c)
	case c != ordinary:
		return fmt.Errorf("%w: %s is %s", ErrRefused, name, c)
	}
	if within(p.Deny, a) {
		return fmt.Errorf("%w: %s is in a range of --dial-deny", ErrRefused, name)
	}
	return nil
}

// checkHub checks whether target is the hub's API server.
func (p *Policy) checkHub(ctx context.Context, target netip.AddrPort) error {
	if p.HubAPI == nil {
		return nil
	}
	hub, err := p.HubAPI(ctx)
	if err != nil {
		return fmt.Errorf("%w: cannot check whether %s is the hub's API server: %w", ErrRefused, target, err)
	}
	for _, h := range hub {
		if netip.AddrPortFrom(h.Addr().WithZone("").Unmap(), h.Port()) == target {
			return fmt.Errorf("%w: %s is the hub's API server, which requires --dial-hub-api", ErrRefused, target)
		}
	}
	return nil
}

func within(ranges []netip.Prefix, a netip.Addr) bool {
	for _, r := range ranges {
		if r.Contains(a) {
			return true
		}
	}
	return false
}
