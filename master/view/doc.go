// Package view turns the state that a master holds of a cluster into the bytes that clients read:
// JSON documents, parts of documents, filtered and paged lists, the list of clusters, and watch
// events.
//
// A Document is one report of one cluster. Its bytes are encoded on the first read and shared by
// all readers of the same unfiltered part. The next report replaces it. A DocumentCache holds the
// latest Document of each cluster, up to a size limit. Filtered and paged responses are encoded per
// request.
//
// Filters, and the lists that support each of them:
//
//	            nodes  pods  containers  ports
//	namespace            ×       ×         ×    of the object; of the Service or pod that owns the port
//	node          ×      ×       ×         ×    node name; a port on all nodes matches every node
//	pod                  ×       ×         ×    pod name; ports that the pod owns or receives traffic from
//	owner                ×       ×         ×    `name` or `Kind/name`; of a port: the owner of such a pod
//	state         ×      ×       ×              Ready|NotReady|Unknown; pod phase; running|waiting|terminated|unknown
//	kind                         ×         ×    main|init|sidecar|ephemeral; NodePort|HostPort|…
//	port                                   ×    1 to 65535
//	protocol                               ×    TCP|UDP|SCTP
//	q             ×      ×       ×         ×    words; each must occur in a name, image, reason or message
//
// In a whole document, a filter narrows the lists that support it and leaves the other lists
// complete. In a single part, a filter that the part does not support is an error. The summary
// always covers the whole cluster. Values must match exactly; state, kind, protocol and q ignore
// case.
//
// A ChangeLog is the recent history of one cluster, shared by all its watchers: a ring buffer of
// changes, each of which leads from one ClusterView to the next. A watcher only holds a Cursor into
// it. The diff of a change is computed by the first reader, and encoded once for each Scope (part,
// filter, usage mode) and Framing. A ClusterListLog does the same for the list of clusters. Neither
// has a goroutine: its callers pass in the current state when they need it.
//
// The package does not depend on HTTP, on sessions or on Kubernetes.
package view
