// Package kubelet is as much of a kubelet as port-forward needs, for tests without one.
package kubelet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// Headers of a stream, and the types of the two that carry one connection.
const (
	portHeader      = "port"
	requestIDHeader = "requestID"
	streamType      = "streamType"
	dataStream      = "data"
)

// Forward returns the port-forward endpoint of kubelets and API servers. It connects to target
// for any pod and refuses other ports than port.
func Forward(target string, port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
			return // the answer was written
		}
		f := &forwarding{target: target, port: fmt.Sprint(port), errors: map[string]httpstream.Stream{}}
		streams := make(chan httpstream.Stream, 16)
		connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
			streams <- s
			return nil
		})
		if connection == nil {
			return
		}
		f.run(connection, streams)
	})
}

// forwarding is one connection, over which several are forwarded.
type forwarding struct {
	target, port string
	// errors are the streams that tell why a connection ended, by the request.
	errors map[string]httpstream.Stream
}

func (f *forwarding) run(connection httpstream.Connection, streams <-chan httpstream.Stream) {
	var forwarding sync.WaitGroup
	defer forwarding.Wait()
	defer connection.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		select {
		case <-connection.CloseChan():
			return
		case s := <-streams:
			id := s.Headers().Get(requestIDHeader)
			if s.Headers().Get(streamType) != dataStream {
				f.errors[id] = s
				continue
			}
			told := f.errors[id]
			forwarding.Go(func() { f.forward(ctx, s, told) })
		}
	}
}

// forward copies both ways until one side has enough. The client opens the stream for
// errors first.
func (f *forwarding) forward(ctx context.Context, data, told httpstream.Stream) {
	defer told.Close()
	defer data.Close()
	if got := data.Headers().Get(portHeader); got != f.port {
		fmt.Fprintf(told, "nothing listens on port %s", got)
		return
	}
	to, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.target)
	if err != nil {
		fmt.Fprint(told, err)
		return
	}
	defer context.AfterFunc(ctx, func() { to.Close() })()
	defer to.Close()
	go func() {
		// Who has gone is told nothing.
		_, _ = io.Copy(to, data)
		to.Close()
	}()
	_, _ = io.Copy(data, to)
}
