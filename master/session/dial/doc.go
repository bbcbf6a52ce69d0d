// Package dial opens connections to agents: it dials, verifies the agent's certificate, performs the
// handshake, and signs requests. The result is a Session on an open connection, or a Summary. It knows no
// state of clusters, and decides nothing about when to dial.
package dial
