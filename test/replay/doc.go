// Package replay keeps a session of an agent of each released version as bytes, and replays it to the current master. So
// it proves that a master accepts the agents of earlier versions, as docs/SUPPORT.md promises.
//
// A recording has the websocket messages of both directions with their times, between a real agent and a real master in
// virtual time. A replay sends the agent's messages at the same times. Beside it is the state that the master showed.
// When a version is released, its session is recorded once, and then never changed:
//
//	go test ./test/replay -record v0.2.0
package replay
