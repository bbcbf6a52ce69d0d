package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// Stdout is the path of the audit log that is written to the standard output.
const Stdout = "-"

const (
	// maxQueue is the number of lines that wait to be written. A line has at most some 5 KB.
	maxQueue = 4096
	// checkInterval is the minimum time between two checks whether the file was renamed.
	checkInterval = time.Second
	// closeTimeout limits the time in which waiting lines are written at the end.
	closeTimeout = 2 * time.Second
	// warnInterval is the minimum time between two log lines about lost lines.
	warnInterval = time.Minute
)

// Config configures a Log.
type Config struct {
	// Path is the file, or Stdout.
	Path string
	// Metrics registers the counter of lines. It may be nil.
	Metrics prometheus.Registerer
	// Log has a warning when lines are lost.
	Log *slog.Logger
}

// Log is an audit log. Its methods may be called by any goroutine.
type Log struct {
	config Config
	// events are the lines to be written.
	events chan Event
	lines  *prometheus.CounterVec
	warn   *rate.Sometimes

	// Owned by the goroutine of Run:

	file      *os.File
	checkedAt time.Time
}

// Outcomes of a line, values of the label outcome.
const (
	outcomeWritten     = "written"
	outcomeQueueFull   = "queue_full"
	outcomeWriteFailed = "write_failed"
)

// Open opens an audit log, so that a path that cannot be written is found at the start. Lines are written
// while Run runs.
func Open(c Config) (*Log, error) {
	l := &Log{
		config: c, events: make(chan Event, maxQueue), warn: &rate.Sometimes{First: 1, Interval: warnInterval},
		lines: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_audit_lines_total",
			Help: "Lines of the audit log by outcome: written, or lost because of queue_full (requests arrive faster than lines can be written) or write_failed (the file cannot be written).",
		}, []string{"outcome"}),
	}
	for _, outcome := range []string{outcomeWritten, outcomeQueueFull, outcomeWriteFailed} {
		l.lines.WithLabelValues(outcome)
	}
	if err := l.open(); err != nil {
		return nil, err
	}
	if c.Metrics != nil {
		c.Metrics.MustRegister(l.lines)
	}
	return l, nil
}

// Write queues an event. If the queue is full, the event is lost.
func (l *Log) Write(e Event) {
	select {
	case l.events <- e.bounded():
	default:
		l.lost(outcomeQueueFull, errors.New("the queue is full: requests arrive faster than lines can be written"))
	}
}

// Run writes events until ctx ends, and then those that are queued.
func (l *Log) Run(ctx context.Context) error {
	for {
		select {
		case e := <-l.events:
			l.writeAll(e)
		case <-ctx.Done():
			l.flush()
			return l.close()
		}
	}
}

// flush writes the queued events, for closeTimeout at most.
func (l *Log) flush() {
	for deadline := time.Now().Add(closeTimeout); time.Now().Before(deadline); {
		select {
		case e := <-l.events:
			l.writeAll(e)
		default:
			return
		}
	}
}

// writeAll writes an event and those that are queued behind it.
func (l *Log) writeAll(first Event) {
	if err := l.reopen(); err != nil {
		l.lost(outcomeWriteFailed, err)
		return
	}
	w := bufio.NewWriter(l.file)
	n := 1
	err := encode(w, first)
	for queued := len(l.events); queued > 0 && err == nil; queued-- {
		err = encode(w, <-l.events)
		n++
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		l.lines.WithLabelValues(outcomeWritten).Add(float64(n))
		return
	}
	// Some of the lines may have been written; none is counted as written.
	l.lines.WithLabelValues(outcomeWriteFailed).Add(float64(n - 1))
	l.lost(outcomeWriteFailed, fmt.Errorf("write %s: %w", l.config.Path, err))
}

func encode(w io.Writer, e Event) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(e)
}

// lost counts a lost line and warns sometimes.
func (l *Log) lost(outcome string, err error) {
	l.lines.WithLabelValues(outcome).Inc()
	l.warn.Do(func() {
		l.config.Log.Warn("lines of the audit log are lost; see the metric rollcall_audit_lines_total", "error", err)
	})
}

// open opens the file.
func (l *Log) open() (err error) {
	if l.config.Path == Stdout {
		l.file = os.Stdout
		return nil
	}
	// The lines name users and clusters, so only the master's user may read them.
	if l.file, err = os.OpenFile(l.config.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("open the audit log: %w; set --audit-log to a file that the master may write, or to - for the standard output", err)
	}
	return nil
}

// reopen opens the file again if there is another file, or none, at its path.
func (l *Log) reopen() error {
	now := time.Now()
	if l.config.Path == Stdout || l.file != nil && now.Sub(l.checkedAt) < checkInterval {
		return nil
	}
	l.checkedAt = now
	if l.file != nil {
		is, err := os.Stat(l.config.Path)
		has, hasErr := l.file.Stat()
		if err == nil && hasErr == nil && os.SameFile(is, has) {
			return nil
		}
		// An error of a file that is no longer used has no remedy.
		_ = l.file.Close()
		l.file = nil
	}
	return l.open()
}

func (l *Log) close() error {
	if l.file == nil || l.config.Path == Stdout {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("close the audit log: %w", err)
	}
	return nil
}
