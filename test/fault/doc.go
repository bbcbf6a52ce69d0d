// Package fault breaks connections between a master and an agent on purpose: a Relay
// stands between the two, at the level of websocket messages: above TLS, below the
// protocol. It forwards message by message, and a Plan says what happens to each.
//
//	relay, err := fault.New(fault.Config{Agent: "wss://127.0.0.1:7443", TLS: true})
//	go relay.Run(ctx)
//	relay.Follow(fault.Random(seed, 20, fault.Drop, fault.Flip, fault.CutHalfway))
//	… register relay.Endpoint() with the pin relay.Pin() …
//	relay.Follow(nil) // from now on all passes
//	relay.Cut()
//
// An agent that is given keys refuses what comes through a Relay, as TLS ends there: start
// it with --channel-binding=off.
//
// It works over the loopback interface for real binaries, and in memory and virtual
// time (testing/synctest) with a Listener and a Dial of package memconn. It knows
// nothing of what the messages say, so that no change of the protocol changes a test.
package fault
