package linkpool

import (
	"bufio"
	"net"
	"net/http"
)

// bufferSize is the size of the read buffer and of the write buffer of a link, in bytes. Those of net/http have 4 KiB
// each, and are half of the memory of an idle link (TestIdleLinkMemory). Larger reads and writes bypass the buffers.
const bufferSize = 1 << 10

// smallBuffers is a ResponseWriter whose hijacked connection has buffers of bufferSize.
type smallBuffers struct{ http.ResponseWriter }

// Unwrap returns the wrapped ResponseWriter.
func (w smallBuffers) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker. If the client has sent something already, it returns the buffers that have it.
func (w smallBuffers) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil || buffers.Reader.Buffered() > 0 {
		return conn, buffers, err
	}
	return conn, bufio.NewReadWriter(bufio.NewReaderSize(conn, bufferSize), bufio.NewWriterSize(conn, bufferSize)), nil
}
