// Package fault injects faults into the connections between a master and an agent. A Relay
// is a proxy between the two that forwards websocket messages, so it works above TLS and
// below the protocol. A Plan decides which fault each message gets.
//
//	relay, err := fault.New(fault.Config{Agent: "wss://127.0.0.1:7443", TLS: true})
//	go relay.Run(ctx)
//	relay.SetPlan(fault.Random(seed, 20, fault.Drop, fault.Flip, fault.CutHalfway))
//	… register relay.Endpoint() with the pin relay.Pin() …
//	relay.SetPlan(nil) // no more faults
//	relay.Cut()
//
// An agent with keys refuses what comes through a Relay, since TLS ends there: start it
// with --channel-binding=off.
//
// It works over the loopback interface for real binaries, and in memory with
// testing/synctest, with a Listener and a Dial of package memconn. It does not decode the
// messages, so changes of the protocol do not affect it.
package fault
