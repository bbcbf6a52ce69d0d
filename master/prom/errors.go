package prom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/promql"
)

// ErrorType is Prometheus' word for what went wrong.
type ErrorType string

const (
	ErrorBadData     ErrorType = "bad_data"
	ErrorTimeout     ErrorType = "timeout"
	ErrorCanceled    ErrorType = "canceled"
	ErrorExecution   ErrorType = "execution"
	ErrorInternal    ErrorType = "internal"
	ErrorUnavailable ErrorType = "unavailable"
	ErrorNotFound    ErrorType = "not_found"
	ErrorForbidden   ErrorType = "forbidden"
)

// statusClientGone is of who did not wait; nobody else sees it.
const statusClientGone = 499

var statuses = map[ErrorType]int{
	ErrorBadData: http.StatusBadRequest, ErrorTimeout: http.StatusServiceUnavailable, ErrorCanceled: statusClientGone,
	ErrorExecution: http.StatusUnprocessableEntity, ErrorUnavailable: http.StatusServiceUnavailable,
	ErrorNotFound: http.StatusNotFound, ErrorForbidden: http.StatusForbidden, ErrorInternal: http.StatusInternalServerError,
}

// Error is an answer that is none, as Prometheus gives it.
type Error struct {
	Type ErrorType
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap is for errors.Is.
func (e *Error) Unwrap() error { return e.Err }

// Status is the HTTP status that goes with it.
func (e *Error) Status() int { return statuses[e.Type] }

// ErrorBody is how a client is told.
func ErrorBody(t ErrorType, words string) []byte {
	body, err := json.Marshal(struct {
		Status    string    `json:"status"`
		ErrorType ErrorType `json:"errorType"`
		Error     string    `json:"error"`
	}{"error", t, words})
	if err != nil { // strings can always be encoded
		return nil
	}
	return body
}

func badData(parameter string, err error) error {
	return &Error{Type: ErrorBadData, Err: fmt.Errorf("invalid parameter %q: %w", parameter, err)}
}

// failed is what the engine's error means. What the storage could not say because nobody
// told who may see what keeps its own meaning.
func failed(err error) error {
	var storage promql.ErrStorage
	var timeout promql.ErrQueryTimeout
	var canceled promql.ErrQueryCanceled
	var unseen *unseenError
	var as *Error
	switch {
	case errors.As(err, &as):
		return as
	case errors.As(err, &unseen):
		return unseen.err
	case errors.As(err, &canceled), errors.Is(err, context.Canceled):
		return &Error{Type: ErrorCanceled, Err: err}
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return &Error{Type: ErrorTimeout, Err: err}
	case errors.As(err, &storage):
		return &Error{Type: ErrorInternal, Err: err}
	}
	return &Error{Type: ErrorExecution, Err: err}
}

// unseenError says that nobody could be asked who may see what.
type unseenError struct{ err error }

func (e *unseenError) Error() string { return e.err.Error() }

func (e *unseenError) Unwrap() error { return e.err }

// tooMuch says which bound a request has met while it was answered.
func tooMuch(err error) error { return &Error{Type: ErrorExecution, Err: err} }

func tooManySeries(most int) error {
	return tooMuch(fmt.Errorf("the request selects more than %d series: name the clusters, namespaces or metrics that you need, or ask in several requests", most))
}
