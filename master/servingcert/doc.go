// Package servingcert creates the serving certificate of a master without certificate files. All
// replicas share one certificate authority (CA). Each replica signs its own certificate with it and
// keeps the certificate in memory.
//
// The CA is stored in a Secret, which is installed empty. The first replica that finds it empty
// creates the CA and updates the Secret with the resource version that it has read. If several
// replicas try this, one succeeds, and the others read its CA. The certificates of the CA are
// published in a ConfigMap for clients. This package creates neither object, as RBAC cannot limit
// create to a name. It needs only get and update on the two objects.
//
// The Secret has one CA, or two during a renewal, the oldest first:
//
//	ca.crt  the certificates, PEM
//	ca.key  their private keys, PEM (ECDSA P-256), in the same order
//
// A CA is valid for ten years. One year before it expires, the next one is created and published in
// addition. Half a year later the next one starts to sign certificates. So a client that reads the
// ConfigMap twice a year always trusts the CA in use. A serving certificate is valid for 30 days. It
// is renewed after 20, or when another CA starts to sign.
//
// A Secret with other content is never overwritten. An empty Secret is filled at any time: to
// replace the CA at once, remove the data of the Secret.
package servingcert
