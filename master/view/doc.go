// Package view turns what a master holds of a cluster into what clients read: JSON
// documents, parts of them, filtered and paged lists, the list of clusters, and the
// events that lead from one report to the next.
//
// A Document is one report of one cluster. Its bytes are made at the first read,
// shared by all who read the same unfiltered part, and dropped with the next report;
// a DocumentCache keeps the Documents of all clusters within a bound. Filtered and paged
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
// A Log is what changed of one cluster lately, for all who watch it: a ring of changes,
// of which each leads from one Moment to the next. A watcher is a Cursor into it and
// nothing else. What a change tells is found by comparing the two states when it is read
// first, and encoded once for each Scope (part, filter, usage) and Framing. A Fleet is
// the same for the list of clusters. Neither has a goroutine: who wants to know puts in
// what there is now.
//
// The package knows nothing of HTTP, of sessions or of Kubernetes.
package view
