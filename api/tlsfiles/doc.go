// Package tlsfiles provides TLS certificates for Rollcall's servers: certificate files that are
// reloaded when they change, self-signed certificates, and pins by which clients recognize a key.
// It starts no goroutines: files are checked when a client connects.
package tlsfiles
