// Package keysecret keeps the private key of a process in a Secret, and its public part in a
// ConfigMap. The process makes the key itself at its first start, so that nobody has to.
//
// Both objects are installed empty, in the namespace of the process. The first process that finds the
// Secret empty makes the key and updates the Secret with the resource version that it has read. If
// several processes try this, one succeeds, and the others read its key. The package creates neither
// object, as RBAC cannot limit create to a name. It needs only get and update on the two objects.
//
// A Secret with other content is never overwritten. Errors say what to do, and contain no part of a key.
package keysecret
