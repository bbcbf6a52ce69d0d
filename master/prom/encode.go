package prom

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

const jsonType = "application/json"

const (
	// maxBuffered limits the bytes of a response that is buffered. Longer ones are streamed.
	maxBuffered = 1 << 20
	// flushSize is how many encoded bytes are buffered before they are written.
	flushSize = 32 << 10
)

// newResponse returns a response with the body that write writes. It calls write once to measure
// the body. If the body is too long to be buffered, write is called again to stream it.
func newResponse(media string, write func(io.Writer) error) (Response, error) {
	m := &meter{}
	if err := write(m); err != nil {
		return Response{}, err
	}
	if m.size > maxBuffered {
		return Response{Type: media, Stream: write}, nil
	}
	return Response{Type: media, Body: m.buf.Bytes()}, nil
}

// meter counts the bytes written to it, and buffers them up to maxBuffered.
type meter struct {
	size int
	buf  bytes.Buffer
}

func (m *meter) Write(p []byte) (int, error) {
	switch m.size += len(p); {
	case m.size > maxResponse:
		return 0, errResponseTooLong
	case m.size <= maxBuffered:
		return m.buf.Write(p)
	}
	m.buf = bytes.Buffer{}
	return len(p), nil
}

var errResponseTooLong = executionError(fmt.Errorf("the response would be longer than %d MiB; select fewer series, use a longer step, or set limit", maxResponse>>20))

// jsonWriter buffers encoded JSON and writes it in chunks.
type jsonWriter struct {
	to  io.Writer
	buf []byte
	err error
}

// flush writes the buffer if it has at least flushSize bytes, or if last is set.
func (w *jsonWriter) flush(last bool) {
	if w.err == nil && (last || len(w.buf) >= flushSize) {
		_, w.err = w.to.Write(w.buf)
	}
	if last || len(w.buf) >= flushSize {
		w.buf = w.buf[:0]
	}
}

// list encodes a list of n items; item encodes the i-th one.
func (w *jsonWriter) list(n int, item func(i int)) {
	w.buf = append(w.buf, '[')
	for i := 0; i < n && w.err == nil; i++ {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		item(i)
		w.flush(false)
	}
	w.buf = append(w.buf, ']')
}

// success returns a response with status "success" and the data that encode writes.
func success(warnings, infos []string, encode func(w *jsonWriter)) (Response, error) {
	return newResponse(jsonType, func(to io.Writer) error {
		w := &jsonWriter{to: to, buf: append(make([]byte, 0, flushSize/8), `{"status":"success","data":`...)}
		encode(w)
		w.buf = appendStrings(w.buf, "warnings", warnings)
		w.buf = appendStrings(w.buf, "infos", infos)
		w.buf = append(w.buf, '}')
		w.flush(true)
		return w.err
	})
}

func appendStrings(body []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return body
	}
	body = append(body, `,"`+name+`":`...)
	return appendJSON(body, list)
}

// appendJSON appends v, which has to be a value that json.Marshal supports.
func appendJSON(body []byte, v any) []byte {
	encoded, err := json.Marshal(v)
	if err != nil {
		return append(body, "null"...)
	}
	return append(body, encoded...)
}

// dataResponse returns a response with small data of any type.
func dataResponse(data any, warnings ...string) (Response, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return Response{}, &Error{Type: ErrorInternal, Err: fmt.Errorf("encode response: %w", err)}
	}
	return success(warnings, nil, func(w *jsonWriter) { w.buf = append(w.buf, body...) })
}

// listResponse returns a response with a list.
func listResponse[T any](list []T, warnings ...string) (Response, error) {
	return success(warnings, nil, func(w *jsonWriter) {
		w.list(len(list), func(i int) { w.buf = appendJSON(w.buf, list[i]) })
	})
}

// resultResponse returns a response with the result of an expression. It has at most limit
// series, unless limit is 0.
func resultResponse(v parser.Value, limit int, warnings, infos []string) (Response, error) {
	cut := false
	switch all := v.(type) {
	case promql.Vector:
		v, cut = truncate(all, limit)
	case promql.Matrix:
		v, cut = truncate(all, limit)
	}
	if cut {
		warnings = append(warnings, fmt.Sprintf("results truncated due to limit %d", limit))
	}
	return success(warnings, infos, func(w *jsonWriter) {
		w.buf = append(w.buf, `{"resultType":"`...)
		w.buf = append(append(w.buf, exprType(v)...), `","result":`...)
		w.result(v)
		w.buf = append(w.buf, '}')
	})
}

func (w *jsonWriter) result(v parser.Value) {
	switch v := v.(type) {
	case promql.Vector:
		w.list(len(v), func(i int) {
			w.buf = append(appendMetric(w.buf, v[i].Metric), `,"value":`...)
			w.buf = append(appendPoint(w.buf, v[i].T, v[i].F), '}')
		})
	case promql.Matrix:
		w.list(len(v), func(i int) {
			w.buf = append(appendMetric(w.buf, v[i].Metric), `,"values":`...)
			w.list(len(v[i].Floats), func(j int) { w.buf = appendPoint(w.buf, v[i].Floats[j].T, v[i].Floats[j].F) })
			w.buf = append(w.buf, '}')
		})
	case promql.Scalar:
		w.buf = appendPoint(w.buf, v.T, v.V)
	case promql.String:
		w.buf = append(appendTime(append(w.buf, '['), v.T), ',')
		w.buf = append(appendJSON(w.buf, v.V), ']')
	}
}

func truncate[S ~[]E, E any](s S, limit int) (S, bool) {
	if limit == 0 || len(s) <= limit {
		return s, false
	}
	return s[:limit], true
}

// appendMetric appends the start of an object with the labels of a series.
func appendMetric(b []byte, l labels.Labels) []byte {
	return appendJSON(append(b, `{"metric":`...), l)
}

// appendPoint appends [seconds, "value"].
func appendPoint(b []byte, t int64, v float64) []byte {
	b = append(appendTime(append(b, '['), t), `,"`...)
	return append(strconv.AppendFloat(b, v, 'f', -1, 64), `"]`...)
}

func appendTime(b []byte, t int64) []byte {
	return strconv.AppendFloat(b, float64(t)/1000, 'f', -1, 64)
}
