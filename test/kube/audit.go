package kube

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

// Stages of a request in the audit log. A watch has both, other requests only ResponseComplete.
const (
	ResponseStarted  = "ResponseStarted"
	ResponseComplete = "ResponseComplete"
)

// AuditEvent is one line of the audit log: a request that the API server answered or, for a watch, is answering.
type AuditEvent struct {
	Stage string
	User  string
	Verb  string // get, list, watch, create, update, patch, delete, deletecollection; for other paths the lower-case HTTP method
	URI   string // path and query

	// Of the requested object; all empty for paths without an object.
	Group, Resource, Subresource, Namespace, Name string

	Code      int // HTTP status
	UserAgent string
	Received  time.Time // by the API server, in microseconds
}

// auditLine has the fields of an audit.k8s.io/v1 Event that AuditEvent needs.
type auditLine struct {
	Stage                    string
	RequestURI               string
	Verb                     string
	UserAgent                string
	RequestReceivedTimestamp time.Time
	User                     struct{ Username string }
	ResponseStatus           struct{ Code int }
	ObjectRef                struct {
		APIGroup, Resource, Subresource, Namespace, Name string
	}
}

// AuditFor returns the requests of one user since a time, by the API server's receive time, in the order of the log. A
// zero time means from the start. It requires Options.Audit.
func (c *Cluster) AuditFor(user string, since time.Time) ([]AuditEvent, error) {
	return c.readAudit(func(e AuditEvent) bool { return e.User == user && !e.Received.Before(since) })
}

// readAudit returns the events for which wanted returns true.
func (c *Cluster) readAudit(wanted func(AuditEvent) bool) ([]AuditEvent, error) {
	if !c.options.Audit {
		return nil, errors.New("read the audit log: the cluster was started without Options.Audit")
	}
	file, err := os.Open(c.dir.file(auditLogFile))
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer file.Close()

	var events []AuditEvent
	for reader := bufio.NewReader(file); ; {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return events, nil // a line without a newline is incomplete
		}
		if err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		event, err := parseAudit(bytes.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		if wanted(event) {
			events = append(events, event)
		}
	}
}

// parseAudit parses one line of the audit log.
func parseAudit(line []byte) (AuditEvent, error) {
	var l auditLine
	if err := json.Unmarshal(line, &l); err != nil {
		return AuditEvent{}, fmt.Errorf("parse a line of the audit log: %w", err)
	}
	return AuditEvent{
		Stage: l.Stage, User: l.User.Username, Verb: l.Verb, URI: l.RequestURI,
		Group: l.ObjectRef.APIGroup, Resource: l.ObjectRef.Resource, Subresource: l.ObjectRef.Subresource,
		Namespace: l.ObjectRef.Namespace, Name: l.ObjectRef.Name,
		Code: l.ResponseStatus.Code, UserAgent: l.UserAgent, Received: l.RequestReceivedTimestamp,
	}, nil
}

// String returns the event as one line for test messages: user, request and status.
func (e AuditEvent) String() string {
	return fmt.Sprintf("%s %s %s %s %d (%s)", e.Received.UTC().Format("15:04:05.000"), e.User, e.Verb, e.URI, e.Code, e.Stage)
}
