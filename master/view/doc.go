// Package view turns what a master holds of a cluster into what clients read: JSON
// documents, parts of them, filtered and paged lists, and the list of clusters.
//
// A Document is one report of one cluster. Its bytes are made at the first read,
// shared by all who read the same unfiltered part, and dropped with the next report;
// a Shelf keeps the Documents of all clusters within a bound. Filtered and paged
// answers are made per request, from the same rows.
//
// Filters and where each has a meaning:
//
//	            nodes  pods  containers  ports
//	namespace            ×       ×         ×    of the object; of the Service or pod that holds the port
//	node          ×      ×       ×         ×    the node's name; a port of all nodes is a port of this one
//	pod                  ×       ×         ×    the pod's name; ports that it holds or that lead to it
//	owner                ×       ×         ×    `name` or `Kind/name`; of a port: of a pod that it holds or leads to
//	state         ×      ×       ×              Ready|NotReady|Unknown; a pod's phase; running|waiting|terminated|unknown
//	kind                         ×         ×    main|init|sidecar|ephemeral; NodePort|HostPort|…
//	port                                   ×    1 to 65535
//	protocol                               ×    TCP|UDP|SCTP
//	q             ×      ×       ×         ×    words; each is found in a name, image, reason or message
//
// In the whole document a filter narrows the lists in which it has a meaning and
// leaves the others as they are; asked of a part in which it has none it is an error.
// The summary is always of the whole cluster. Values are matched exactly, those of
// state, kind, protocol and q without regard to case.
//
// The package knows nothing of HTTP, of sessions or of Kubernetes.
package view
