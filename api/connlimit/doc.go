// Package connlimit limits what unauthenticated clients of an HTTP server can occupy: connections in
// total and per address, and the time in which a request body has to arrive. Master and agent serve
// behind it.
//
//	limiter := connlimit.New(connlimit.Config{…})
//	server := &http.Server{Handler: limiter.Handler(h, tooMany), ConnContext: limiter.ConnContext, …}
//	server.Serve(limiter.Listener(l))
//
// The handler calls LimitBodyTime first, and Authenticated once the client of a request is
// authenticated. The connection then no longer counts for its address.
//
// A connection over a limit is closed immediately. If it was left unaccepted, the server would
// appear to hang, and an attacker's connections would fill the accept queue.
package connlimit
