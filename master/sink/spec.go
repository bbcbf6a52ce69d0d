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

// spec is what a URL says.
type spec struct {
	name    string
	queue   int
	timeout time.Duration
	// open makes what speaks the protocol.
	open func(*spec) (exporter, error)
}

// kinds are the protocols, by what a URL begins with.
var kinds = map[string]func(address string, p *params) (name string, open func(*spec) (exporter, error), err error){
	"prometheus+http://":  remoteWriteOf("http"),
	"prometheus+https://": remoteWriteOf("https"),
	"influxdb+http://":    influxOf("http"),
	"influxdb+https://":   influxOf("https"),
	"kafka://":            kafkaOf,
}

// nameShape is how a sink may be called: it is a label of metrics.
var nameShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,62}$`)

// parse reads a sink's URL. Its errors repeat nothing of it but names of parameters.
func parse(raw string) (*spec, error) {
	for prefix, kind := range kinds {
		rest, ok := strings.CutPrefix(raw, prefix)
		if !ok {
			continue
		}
		address, query, _ := strings.Cut(rest, "?")
		values, err := url.ParseQuery(query)
		if err != nil {
			return nil, errors.New("its parameters cannot be read: they are name=value with & between, percent-encoded")
		}
		if strings.Contains(address, "@") {
			return nil, errors.New("it has a user or password in it, and others can read what is on a command line: give username= and password-file=")
		}
		return specOf(address, kind, &params{values: values})
	}
	return nil, errors.New("it begins with none of prometheus+https://, prometheus+http://, influxdb+https://, influxdb+http://, kafka://")
}

func specOf(address string, kind func(string, *params) (string, func(*spec) (exporter, error), error), p *params) (*spec, error) {
	s := &spec{queue: p.number("queue", defaultQueue, minQueue, maxQueue), timeout: p.duration("timeout", defaultTimeout, minTimeout, maxTimeout)}
	s.name = p.text("name")
	name, open, err := kind(address, p)
	if err != nil {
		return nil, err
	}
	if s.name == "" {
		s.name = name
	}
	if !nameShape.MatchString(s.name) {
		p.fail("name", "is not 1 to 63 letters, digits and . _ : - ; give another by name=")
	}
	s.open = open
	return s, p.done()
}

// params are those of a URL. What is wrong with them is gathered until done.
type params struct {
	values url.Values
	known  []string
	errs   []error
}

func (p *params) fail(name, words string) {
	p.errs = append(p.errs, fmt.Errorf("parameter %s %s", name, words))
}

// text takes a parameter; empty where it is not given.
func (p *params) text(name string) string {
	p.known = append(p.known, name)
	given := p.values[name]
	delete(p.values, name)
	if len(given) > 1 {
		p.fail(name, fmt.Sprintf("is given %d times, and may be given once", len(given)))
	}
	if len(given) == 0 {
		return ""
	}
	return given[0]
}

// one takes a parameter that is one of some words; the first where it is not given.
func (p *params) one(name string, of ...string) string {
	given := p.text(name)
	switch {
	case given == "":
		return of[0]
	case !slices.Contains(of, given):
		p.fail(name, "is none of "+strings.Join(of, ", "))
	}
	return given
}

func (p *params) number(name string, otherwise, least, most int) int {
	given := p.text(name)
	if given == "" {
		return otherwise
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < least || n > most {
		p.fail(name, fmt.Sprintf("is not a number from %d to %d", least, most))
	}
	return n
}

func (p *params) duration(name string, otherwise, least, most time.Duration) time.Duration {
	given := p.text(name)
	if given == "" {
		return otherwise
	}
	d, err := time.ParseDuration(given)
	if err != nil || d < least || d > most {
		p.fail(name, fmt.Sprintf("is not a duration from %s to %s such as 10s", least, most))
	}
	return d
}

// secret takes the name of a file with a secret, which is read each time that it is
// needed; nil where none is given.
func (p *params) secret(name string) func() (string, error) {
	file := p.text(name)
	if file == "" {
		return nil
	}
	if _, err := readSecret(file); err != nil {
		p.fail(name, "names a file that cannot be used: "+err.Error())
	}
	return func() (string, error) { return readSecret(file) }
}

// readSecret is a file without white space at its ends.
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

// done is what was wrong, with parameters that are not known.
func (p *params) done() error {
	for name := range p.values {
		slices.Sort(p.known)
		p.errs = append(p.errs, fmt.Errorf("parameter %.40q is not known; there are %s", name, strings.Join(p.known, ", ")))
	}
	return errors.Join(p.errs...)
}
