// Package fault injects faults into the connections between a master and an agent. A Relay
// is a proxy between them that forwards websocket messages. It terminates TLS and does not
// decode the messages, so changes of the protocol do not affect it. A Plan decides which fault each message gets.
//
//	relay, err := fault.New(fault.Config{Agent: "wss://127.0.0.1:7443", TLS: true})
//	go relay.Run(ctx)
//	relay.SetPlan(fault.Random(seed, 20, fault.Drop, fault.Flip, fault.CutHalfway))
//	… register relay.Endpoint() with the pin relay.Pin() …
//	relay.SetPlan(nil) // no more faults
//	relay.Cut()
//
// An agent with public keys of masters refuses sessions through a Relay, since the Relay terminates TLS. Start such an
// agent with --channel-binding=off.
//
// A Relay works over the loopback interface for real binaries, and in memory with
// testing/synctest, with a Listener and a Dial of package memconn.
package fault
