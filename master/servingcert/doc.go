// Package servingcert makes the serving certificate of a master that is given none. All
// replicas share one certificate authority (CA), and each of them signs a certificate of
// its own with it, in memory.
//
// The CA is in a Secret that is installed empty. The replica that reads it empty first
// makes the CA and writes it by an update with the resource version that it read, so of
// several replicas one succeeds and the others read what it wrote. The certificates of the
// CA are published in a ConfigMap, for clients. Neither object is ever created here, since
// RBAC cannot limit create to a name: get and update on the two objects are enough.
//
// The Secret holds one CA, or two while it is renewed, oldest first:
//
//	ca.crt  the certificates, PEM
//	ca.key  their private keys, PEM (ECDSA P-256), in the same order
//
// A CA lasts ten years. A year before its end the next one is made and published beside it,
// and half a year later certificates are signed by the next one. So a client that reads the
// ConfigMap twice a year always knows the CA. A serving certificate lasts 30 days and is
// made anew after 20, or when the CA that signs changes.
//
// A Secret that holds something else is never overwritten. An empty one is filled at any
// time: to have a new CA at once, remove the Secret's data.
package servingcert
