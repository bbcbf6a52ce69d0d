package prom

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

const jsonType = "application/json"

// success is an answer around data that is JSON.
func success(data []byte, warnings, infos []string) Answer {
	body := append([]byte(`{"status":"success","data":`), data...)
	body = appendWords(body, "warnings", warnings)
	body = appendWords(body, "infos", infos)
	return Answer{Type: jsonType, Body: append(body, '}')}
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

// encoded is an answer of any data.
func encoded(data any, warnings ...string) (Answer, error) {
	body, err := json.Marshal(data)
	if err != nil {
		return Answer{}, &Error{Type: ErrorInternal, Err: fmt.Errorf("encode an answer: %w", err)}
	}
	return success(body, warnings, nil), nil
}

// encodeResult is an answer of what an expression came to, with so many series at most
// unless limit is 0.
func encodeResult(v parser.Value, limit int, warnings, infos []string) Answer {
	body := append([]byte(`{"resultType":"`), exprType(v)...)
	body = append(body, `","result":`...)
	cut := false
	switch v := v.(type) {
	case promql.Vector:
		v, cut = cutTo(v, limit)
		body = appendList(body, len(v), func(b []byte, i int) []byte {
			b = appendMetric(b, v[i].Metric)
			b = append(b, `,"value":`...)
			return append(appendPoint(b, v[i].T, v[i].F), '}')
		})
	case promql.Matrix:
		v, cut = cutTo(v, limit)
		body = appendList(body, len(v), func(b []byte, i int) []byte {
			b = appendMetric(b, v[i].Metric)
			b = append(b, `,"values":`...)
			b = appendList(b, len(v[i].Floats), func(b []byte, j int) []byte { return appendPoint(b, v[i].Floats[j].T, v[i].Floats[j].F) })
			return append(b, '}')
		})
	case promql.Scalar:
		body = appendPoint(body, v.T, v.V)
	case promql.String:
		body = append(appendTime(append(body, '['), v.T), ',')
		body = append(appendJSON(body, v.V), ']')
	}
	if cut {
		warnings = append(warnings, fmt.Sprintf("there are more than the %d results that were asked for", limit))
	}
	return success(append(body, '}'), warnings, infos)
}

func cutTo[S ~[]E, E any](s S, limit int) (S, bool) {
	if limit == 0 || len(s) <= limit {
		return s, false
	}
	return s[:limit], true
}

func appendList(b []byte, n int, one func(b []byte, i int) []byte) []byte {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, i)
	}
	return append(b, ']')
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
