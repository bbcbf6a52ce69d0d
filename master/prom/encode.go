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
	// maxHeld is how long an answer may be that is held as a whole; a longer one is written
	// as it is encoded.
	maxHeld = 1 << 20
	// chunk is after how many bytes what is encoded is written.
	chunk = 32 << 10
)

// answerOf returns the answer that write writes. It is encoded once to know how long it is,
// and, unless it is short enough to be held, once more for the client.
func answerOf(media string, write func(io.Writer) error) (Answer, error) {
	m := &measure{}
	if err := write(m); err != nil {
		return Answer{}, err
	}
	if m.size > maxHeld {
		return Answer{Type: media, Stream: write}, nil
	}
	return Answer{Type: media, Body: m.held.Bytes()}, nil
}

// measure counts what is written, and holds it while it is short.
type measure struct {
	size int
	held bytes.Buffer
}

func (m *measure) Write(p []byte) (int, error) {
	switch m.size += len(p); {
	case m.size > maxAnswer:
		return 0, errAnswerTooLong
	case m.size <= maxHeld:
		return m.held.Write(p)
	}
	m.held = bytes.Buffer{}
	return len(p), nil
}

var errAnswerTooLong = tooMuch(fmt.Errorf("the answer would be longer than %d MiB: select fewer series, ask for a longer step, or set limit", maxAnswer>>20))

// writer gathers what is encoded.
type writer struct {
	to  io.Writer
	buf []byte
	err error
}

// flush writes what was gathered, if it is enough or the last.
func (w *writer) flush(last bool) {
	if w.err == nil && (last || len(w.buf) >= chunk) {
		_, w.err = w.to.Write(w.buf)
	}
	if last || len(w.buf) >= chunk {
		w.buf = w.buf[:0]
	}
}

// list encodes a list of n items.
func (w *writer) list(n int, one func(i int)) {
	w.buf = append(w.buf, '[')
	for i := 0; i < n && w.err == nil; i++ {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		one(i)
		w.flush(false)
	}
	w.buf = append(w.buf, ']')
}

// success returns an answer around the data that encode encodes.
func success(warnings, infos []string, encode func(w *writer)) (Answer, error) {
	return answerOf(jsonType, func(to io.Writer) error {
		w := &writer{to: to, buf: append(make([]byte, 0, chunk/8), `{"status":"success","data":`...)}
		encode(w)
		w.buf = appendWords(w.buf, "warnings", warnings)
		w.buf = appendWords(w.buf, "infos", infos)
		w.buf = append(w.buf, '}')
		w.flush(true)
		return w.err
	})
}

func appendWords(body []byte, name string, words []string) []byte {
	if len(words) == 0 {
		return body
	}
	body = append(body, `,"`+name+`":`...)
	return appendJSON(body, words)
}

// appendJSON appends what can always be encoded.
func appendJSON(body []byte, v any) []byte {
	encoded, err := json.Marshal(v)
	if err != nil {
		return append(body, "null"...)
	}
	return append(body, encoded...)
}

// encoded is an answer of any short data.
func encoded(data any, warnings ...string) (Answer, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return Answer{}, &Error{Type: ErrorInternal, Err: fmt.Errorf("encode an answer: %w", err)}
	}
	return success(warnings, nil, func(w *writer) { w.buf = append(w.buf, body...) })
}

// encodedList is an answer of a list.
func encodedList[T any](list []T, warnings ...string) (Answer, error) {
	return success(warnings, nil, func(w *writer) {
		w.list(len(list), func(i int) { w.buf = appendJSON(w.buf, list[i]) })
	})
}

// encodeResult is an answer of what an expression came to, with so many series at most
// unless limit is 0.
func encodeResult(v parser.Value, limit int, warnings, infos []string) (Answer, error) {
	cut := false
	switch all := v.(type) {
	case promql.Vector:
		v, cut = cutTo(all, limit)
	case promql.Matrix:
		v, cut = cutTo(all, limit)
	}
	if cut {
		warnings = append(warnings, fmt.Sprintf("there are more than the %d results that were asked for", limit))
	}
	return success(warnings, infos, func(w *writer) {
		w.buf = append(w.buf, `{"resultType":"`...)
		w.buf = append(append(w.buf, exprType(v)...), `","result":`...)
		w.result(v)
		w.buf = append(w.buf, '}')
	})
}

func (w *writer) result(v parser.Value) {
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

func cutTo[S ~[]E, E any](s S, limit int) (S, bool) {
	if limit == 0 || len(s) <= limit {
		return s, false
	}
	return s[:limit], true
}

// appendMetric begins an object with the labels.
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
