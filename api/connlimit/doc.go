// Package connlimit bounds what callers of an HTTP server can hold without having said
// who they are: connections in total and of each address, and the time in which a body
// has to come. Master and agent serve behind it.
//
//	limiter := connlimit.New(connlimit.Config{…})
//	server := &http.Server{Handler: limiter.Handler(h, tooMany), ConnContext: limiter.ConnContext, …}
//	server.Serve(limiter.Listener(l))
//
// The handler calls BoundBody before anything else, and Authenticated once it knows who
// sends a request: from then on the connection counts for no address.
//
// A connection that is over a limit is closed at once. Left unaccepted it would look like
// a server that hangs, and those in front of it in the queue would be the attacker's.
package connlimit
