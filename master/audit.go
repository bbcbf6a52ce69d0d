package master

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/master/audit"
)

// auditCloseTimeout is how long a shutdown waits for the last lines of the audit log.
const auditCloseTimeout = 3 * time.Second

// openAuditLog opens the audit log. It returns nil if there is none.
func (c *Config) openAuditLog(metrics prometheus.Registerer) (*audit.Log, error) {
	if c.AuditLog == "" {
		return nil, nil
	}
	return audit.Open(audit.Config{Path: c.AuditLog, Metrics: metrics, Log: c.Log})
}

// auditWriter returns the function that writes to the audit log, nil if there is none.
func auditWriter(l *audit.Log) func(audit.Event) {
	if l == nil {
		return nil
	}
	return l.Write
}

// whileAuditing runs serve and writes its audit log, also the lines of requests that end with it. A standard
// output that nobody reads delays the end by auditCloseTimeout at most.
func whileAuditing(ctx context.Context, l *audit.Log, serve func() error) error {
	if l == nil {
		return serve()
	}
	auditing, stop := context.WithCancel(context.WithoutCancel(ctx))
	closed := make(chan error, 1)
	go func() { closed <- l.Run(auditing) }()
	err := serve()
	stop()
	select {
	case closeErr := <-closed:
		if err == nil {
			err = closeErr
		}
	case <-time.After(auditCloseTimeout):
	}
	return err
}
