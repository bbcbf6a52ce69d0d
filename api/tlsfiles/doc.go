// Package tlsfiles has what a server of Rollcall needs to speak TLS: certificate files
// that are read again when they change, a self-signed pair for who has none, and the
// pin by which a peer recognises a key.
//
// It knows nothing of who serves what, and starts nothing: files are looked at when a
// client connects.
package tlsfiles
