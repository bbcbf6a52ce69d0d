package sink

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// Bounds of the parameters queue and timeout.
	defaultQueue   = 1_000_000
	minQueue       = 1000
	maxQueue       = 100_000_000
	defaultTimeout = 10 * time.Second
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = time.Minute
)

// spec is the parsed URL of a sink.
type spec struct {
	name    string
	queue   int // maximum number of metric sets
	timeout time.Duration
	// open returns an exporter for the protocol.
	open func(*spec) (exporter, error)
}

// protocols has the supported protocols, by the prefix of the URL. Each parses the rest of the URL, and
// returns a default name and the function that opens the exporter.
var protocols = map[string]func(address string, p *params) (name string, open func(*spec) (exporter, error), err error){
	"prometheus+http://":  remoteWriteOf("http"),
	"prometheus+https://": remoteWriteOf("https"),
	"influxdb+http://":    influxOf("http"),
	"influxdb+https://":   influxOf("https"),
	"kafka://":            kafkaOf,
}

// namePattern is the syntax of a sink's name, which is a label value in metrics.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$`)

// parse parses the URL of a sink. Its errors contain no part of the URL but the names of
// parameters.
func parse(rawURL string) (*spec, error) {
	for prefix, protocol := range protocols {
		rest, ok := strings.CutPrefix(rawURL, prefix)
		if !ok {
			continue
		}
		address, query, _ := strings.Cut(rest, "?")
		values, err := url.ParseQuery(query)
		if err != nil {
			return nil, errors.New("invalid parameters: want name=value pairs joined by &, percent-encoded")
		}
		if strings.Contains(address, "@") {
			return nil, errors.New("the URL must not contain a user or password, since others can read a command line; set username= and password-file=")
		}
		return specOf(address, protocol, &params{values: values})
	}
	return nil, errors.New("unknown scheme: the URL must begin with one of prometheus+https://, prometheus+http://, influxdb+https://, influxdb+http://, kafka://")
}

func specOf(address string, protocol func(string, *params) (string, func(*spec) (exporter, error), error), p *params) (*spec, error) {
	s := &spec{queue: p.number("queue", defaultQueue, minQueue, maxQueue), timeout: p.duration("timeout", defaultTimeout, minTimeout, maxTimeout)}
	s.name = p.text("name")
	name, open, err := protocol(address, p)
	if err != nil {
		return nil, err
	}
	if s.name == "" {
		s.name = name
	}
	if !namePattern.MatchString(s.name) {
		p.fail("name", "must be 1 to 63 letters, digits or any of . _ : -")
	}
	s.open = open
	return s, p.done()
}

// params are the parameters of a URL. Errors are collected, and returned by done.
type params struct {
	values url.Values
	known  []string
	errs   []error
}

func (p *params) fail(name, message string) {
	p.errs = append(p.errs, fmt.Errorf("parameter %s %s", name, message))
}

// text returns a parameter, or "" if it is missing.
func (p *params) text(name string) string {
	p.known = append(p.known, name)
	values := p.values[name]
	delete(p.values, name)
	if len(values) > 1 {
		p.fail(name, fmt.Sprintf("must be set once, got %d", len(values)))
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// enum returns a parameter that must be one of the given values. The first is the default.
func (p *params) enum(name string, allowed ...string) string {
	value := p.text(name)
	switch {
	case value == "":
		return allowed[0]
	case !slices.Contains(allowed, value):
		p.fail(name, "must be one of "+strings.Join(allowed, ", "))
	}
	return value
}

func (p *params) number(name string, defaultValue, lowest, highest int) int {
	value := p.text(name)
	if value == "" {
		return defaultValue
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < lowest || n > highest {
		p.fail(name, fmt.Sprintf("must be a number from %d to %d", lowest, highest))
	}
	return n
}

func (p *params) duration(name string, defaultValue, lowest, highest time.Duration) time.Duration {
	value := p.text(name)
	if value == "" {
		return defaultValue
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < lowest || d > highest {
		p.fail(name, fmt.Sprintf("must be a duration from %s to %s, such as 10s", lowest, highest))
	}
	return d
}

// secret returns a function that reads the file that a parameter names, or nil if the
// parameter is missing. The file is read at each call, so that secrets can be rotated.
func (p *params) secret(name string) func() (string, error) {
	file := p.text(name)
	if file == "" {
		return nil
	}
	if _, err := readSecret(file); err != nil {
		p.fail(name, "cannot be read: "+err.Error())
	}
	return func() (string, error) { return readSecret(file) }
}

// readSecret returns the content of a file without leading and trailing white space. An
// empty file is an error.
func readSecret(file string) (string, error) {
	b, err := os.ReadFile(file) //nolint:gosec // the path is a flag's
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return secret, nil
}

// done returns the collected errors, and one for each unknown parameter.
func (p *params) done() error {
	for name := range p.values {
		slices.Sort(p.known)
		p.errs = append(p.errs, fmt.Errorf("unknown parameter %.40q; the parameters are %s", name, strings.Join(p.known, ", ")))
	}
	return errors.Join(p.errs...)
}
