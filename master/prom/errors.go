package prom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/promql"
)

// ErrorType is the field errorType of an error response, as Prometheus defines it.
type ErrorType string

const (
	// These are all values of ErrorType.
	ErrorBadData     ErrorType = "bad_data"
	ErrorTimeout     ErrorType = "timeout"
	ErrorCanceled    ErrorType = "canceled"
	ErrorExecution   ErrorType = "execution"
	ErrorInternal    ErrorType = "internal"
	ErrorUnavailable ErrorType = "unavailable"
	ErrorNotFound    ErrorType = "not_found"
	ErrorForbidden   ErrorType = "forbidden"
)

// statusClientClosedRequest is the status that is recorded when the client disconnects. The
// client does not receive it.
const statusClientClosedRequest = 499

var statuses = map[ErrorType]int{
	ErrorBadData: http.StatusBadRequest, ErrorTimeout: http.StatusServiceUnavailable, ErrorCanceled: statusClientClosedRequest,
	ErrorExecution: http.StatusUnprocessableEntity, ErrorUnavailable: http.StatusServiceUnavailable,
	ErrorNotFound: http.StatusNotFound, ErrorForbidden: http.StatusForbidden, ErrorInternal: http.StatusInternalServerError,
}

// Error is an error response of the Prometheus API.
type Error struct {
	Type ErrorType
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Status returns the HTTP status code for the type of the error.
func (e *Error) Status() int { return statuses[e.Type] }

// ErrorBody returns the JSON body of an error response.
func ErrorBody(t ErrorType, message string) []byte {
	body, err := json.Marshal(struct {
		Status    string    `json:"status"`
		ErrorType ErrorType `json:"errorType"`
		Error     string    `json:"error"`
	}{"error", t, message})
	if err != nil { // strings can always be encoded
		return nil
	}
	return body
}

// badData returns the error for an invalid value of a parameter.
func badData(parameter string, err error) error {
	return &Error{Type: ErrorBadData, Err: fmt.Errorf("invalid parameter %q: %w", parameter, err)}
}

// toAPIError returns an *Error for an error of the engine. Errors of the Authorizer, and of the
// Registry, are returned unchanged, so that the caller of this package can report them in its own way.
func toAPIError(err error) error {
	var storage promql.ErrStorage
	var timeout promql.ErrQueryTimeout
	var canceled promql.ErrQueryCanceled
	var external *externalError
	var apiErr *Error
	switch {
	case errors.As(err, &apiErr):
		return apiErr
	case errors.As(err, &external):
		return external.err
	case errors.As(err, &canceled), errors.Is(err, context.Canceled):
		return &Error{Type: ErrorCanceled, Err: err}
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return &Error{Type: ErrorTimeout, Err: err}
	case errors.As(err, &storage):
		return &Error{Type: ErrorInternal, Err: err}
	}
	return &Error{Type: ErrorExecution, Err: err}
}

// externalError wraps an error of the Authorizer, of Request.Forbidden, of the Registry or of the Sessions, on its way
// through the engine.
type externalError struct{ err error }

func (e *externalError) Error() string { return e.err.Error() }

func (e *externalError) Unwrap() error { return e.err }

// executionError returns the error for a limit that a request exceeds while it is evaluated.
func executionError(err error) error { return &Error{Type: ErrorExecution, Err: err} }

func tooManySeriesError(most int) error {
	return executionError(fmt.Errorf("the request selects more than %d series; select fewer clusters, namespaces or metrics, or split the request", most))
}
