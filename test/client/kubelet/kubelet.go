// Package kubelet implements the part of a kubelet that port-forward needs, for tests without a kubelet.
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

// Headers of a stream, and the stream type of data.
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
			return // Handshake has written the response
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

// forwarding is one SPDY connection, which carries several forwarded connections.
type forwarding struct {
	target, port string
	// errors has the error stream of each forwarded connection, by request ID.
	errors map[string]httpstream.Stream
}

// run forwards connections until the SPDY connection is closed.
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
			errorStream := f.errors[id]
			forwarding.Go(func() { f.forward(ctx, s, errorStream) })
		}
	}
}

// forward copies in both directions until one side ends. Errors go to the error stream, which the client has opened
// before the data stream.
func (f *forwarding) forward(ctx context.Context, data, errorStream httpstream.Stream) {
	defer errorStream.Close()
	defer data.Close()
	if got := data.Headers().Get(portHeader); got != f.port {
		fmt.Fprintf(errorStream, "nothing listens on port %s", got)
		return
	}
	to, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.target)
	if err != nil {
		fmt.Fprint(errorStream, err)
		return
	}
	defer context.AfterFunc(ctx, func() { to.Close() })()
	defer to.Close()
	go func() {
		// A failed copy means that the client is gone.
		_, _ = io.Copy(to, data)
		to.Close()
	}()
	_, _ = io.Copy(data, to)
}
