package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rollcall.dev/rollcall/api/state"
)

// nodeStates holds the filter values for a node's Ready condition, as kubectl prints them, in lower
// case.
var nodeStates = map[state.Tristate]string{state.True: "ready", state.False: "notready", state.Unknown: "unknown"}

// states and kindsOf hold the values of the parameters state and kind, by list.
var (
	states = map[Part][]string{
		Nodes:      {"Ready", "NotReady", "Unknown"},
		Pods:       stringsOf(state.PodPending, state.PodRunning, state.PodSucceeded, state.PodFailed, state.PodUnknown),
		Containers: stringsOf(state.Running, state.Waiting, state.Terminated, state.ContainerUnknown),
	}
	kindsOf = map[Part][]string{
		Containers: stringsOf(state.Main, state.Init, state.Sidecar, state.Ephemeral),
		Ports: stringsOf(state.NodePort, state.HealthCheckNodePort, state.HostPort, state.HostNetwork,
			state.LoadBalancer, state.ExternalIP, state.Kubelet),
	}
)

func stringsOf[E fmt.Stringer](values ...E) []string {
	var all []string
	for _, v := range values {
		all = append(all, v.String())
	}
	return all
}

func setState(q *Query, value string) (err error) {
	q.Filter.State, err = oneOf(q.Part, states, value)
	return err
}

func setKind(q *Query, value string) (err error) {
	q.Filter.Kind, err = oneOf(q.Part, kindsOf, value)
	return err
}

// oneOf returns value in lower case if it is valid for one of the part's lists.
func oneOf(p Part, byList map[Part][]string, value string) (string, error) {
	var known []string
	for _, list := range p.lists() {
		known = append(known, byList[list]...)
	}
	if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, value) }) {
		return "", fmt.Errorf("must be one of %s, got %s", strings.Join(known, ", "), quote(value))
	}
	return strings.ToLower(value), nil
}

func setProtocol(q *Query, value string) error {
	for _, p := range []state.Protocol{state.TCP, state.UDP, state.SCTP} {
		if strings.EqualFold(value, p.String()) {
			q.Filter.Protocol = p
			return nil
		}
	}
	return fmt.Errorf("must be one of TCP, UDP, SCTP, got %s", quote(value))
}

func setPort(q *Query, value string) error {
	n, err := parseNumber(value, 1, maxPort)
	q.Filter.Port = uint16(n) //nolint:gosec // parseNumber has checked the range
	return err
}

func setLimit(q *Query, value string) (err error) {
	q.Limit, err = ParseLimit(value)
	return err
}

// ParseLimit parses the parameter limit.
func ParseLimit(value string) (int, error) { return parseNumber(value, 1, MaxLimit) }

// parseNumber parses a decimal number in [lowest, highest], without sign or leading zeros.
func parseNumber(value string, lowest, highest int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < lowest || n > highest || strconv.Itoa(n) != value {
		return 0, fmt.Errorf("must be a number from %d to %d, got %s", lowest, highest, quote(value))
	}
	return n, nil
}

func setName(field func(*Filter) *string) func(*Query, string) error {
	return func(q *Query, value string) error {
		*field(&q.Filter) = value
		return validateName(value)
	}
}

// validateName returns an error if value cannot be the name of an object in Kubernetes. Such a filter is a
// mistake and would never match.
func validateName(value string) error {
	if len(value) > maxValueBytes || strings.ContainsFunc(value, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}) {
		return fmt.Errorf("must be a name of lower-case letters, digits, '-' and '.', got %s", quote(value))
	}
	return nil
}

func setOwner(q *Query, value string) error {
	kind, owner, qualified := strings.Cut(value, "/")
	if !qualified {
		kind, owner = "", value
	}
	if qualified && kind == "" || owner == "" || validateName(strings.ToLower(kind)) != nil || validateName(owner) != nil {
		return fmt.Errorf("must be an owner's name, or kind and name such as Deployment/web, got %s", quote(value))
	}
	q.Filter.OwnerKind, q.Filter.OwnerName = kind, owner
	return nil
}

func setWords(q *Query, value string) (err error) {
	q.Filter.Words, err = ParseWords(value)
	return err
}

// ParseWords parses the parameter q into the form that Filter.Words has.
func ParseWords(value string) (string, error) {
	words := strings.Fields(strings.ToLower(value))
	if len(value) > maxValueBytes || len(words) == 0 || len(words) > maxWords || !utf8.ValidString(value) {
		return "", fmt.Errorf("must be 1 to %d words of at most %d bytes in total, in UTF-8, got %s", maxWords, maxValueBytes, quote(value))
	}
	return strings.Join(words, " "), nil
}

// quote returns a value from outside for use in a message, shortened to 64 bytes.
func quote(value string) string {
	const shown = 64
	if len(value) > shown {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(value[:shown], "\ufffd"))
	}
	return fmt.Sprintf("%q", value)
}
