package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rollcall.dev/rollcall/api/state"
)

// nodeStates are the words for a node's Ready condition, as kubectl has them, in
// lower case.
var nodeStates = map[state.Tristate]string{state.True: "ready", state.False: "notready", state.Unknown: "unknown"}

// states and kindsOf are the values of `state` and `kind` by list, as they are shown.
var (
	states = map[Part][]string{
		Nodes:      {"Ready", "NotReady", "Unknown"},
		Pods:       texts(state.PodPending, state.PodRunning, state.PodSucceeded, state.PodFailed, state.PodUnknown),
		Containers: texts(state.Running, state.Waiting, state.Terminated, state.ContainerUnknown),
	}
	kindsOf = map[Part][]string{
		Containers: texts(state.Main, state.Init, state.Sidecar, state.Ephemeral),
		Ports: texts(state.NodePort, state.HealthCheckNodePort, state.HostPort, state.HostNetwork,
			state.LoadBalancer, state.ExternalIP, state.Kubelet),
	}
)

func texts[E fmt.Stringer](values ...E) []string {
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

// oneOf is value in lower case, where one of the part's lists knows it.
func oneOf(p Part, byList map[Part][]string, value string) (string, error) {
	var known []string
	for _, list := range p.lists() {
		known = append(known, byList[list]...)
	}
	if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, value) }) {
		return "", fmt.Errorf("is %s, and may be %s", quote(value), strings.Join(known, ", "))
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
	return fmt.Errorf("is %s, and may be TCP, UDP, SCTP", quote(value))
}

func setPort(q *Query, value string) error {
	n, err := number(value, 1, maxPort)
	q.Filter.Port = uint16(n) //nolint:gosec // number has bounded it
	return err
}

func setLimit(q *Query, value string) (err error) {
	q.Limit, err = ParseLimit(value)
	return err
}

// ParseLimit reads how many rows a page has.
func ParseLimit(value string) (int, error) { return number(value, 1, MaxLimit) }

// number reads plain digits: what strconv takes beyond them is nothing that a
// person means.
func number(value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most || strconv.Itoa(n) != value {
		return 0, fmt.Errorf("is %s, and may be a number from %d to %d", quote(value), least, most)
	}
	return n, nil
}

func setName(field func(*Filter) *string) func(*Query, string) error {
	return func(q *Query, value string) error {
		*field(&q.Filter) = value
		return name(value)
	}
}

// name refuses what no object in Kubernetes can be called: such a filter is a
// mistake, and would always find nothing.
func name(value string) error {
	if len(value) > maxValue || strings.ContainsFunc(value, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}) {
		return fmt.Errorf("is %s, and may be a name: lower case letters, digits, '-' and '.'", quote(value))
	}
	return nil
}

func setOwner(q *Query, value string) error {
	kind, owner, qualified := strings.Cut(value, "/")
	if !qualified {
		kind, owner = "", value
	}
	if qualified && kind == "" || owner == "" || name(strings.ToLower(kind)) != nil || name(owner) != nil {
		return fmt.Errorf("is %s, and may be an owner's name, or its kind and name such as Deployment/web", quote(value))
	}
	q.Filter.OwnerKind, q.Filter.OwnerName = kind, owner
	return nil
}

func setWords(q *Query, value string) (err error) {
	q.Filter.Words, err = ParseWords(value)
	return err
}

// ParseWords reads the words of q, as a Filter has them.
func ParseWords(value string) (string, error) {
	words := strings.Fields(strings.ToLower(value))
	if len(value) > maxValue || len(words) == 0 || len(words) > maxWords || !utf8.ValidString(value) {
		return "", fmt.Errorf("is %s, and may be 1 to %d words of at most %d bytes together, in UTF-8", quote(value), maxWords, maxValue)
	}
	return strings.Join(words, " "), nil
}

// quote shows a value from outside within a sentence.
func quote(value string) string {
	const shown = 64
	if len(value) > shown {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(value[:shown], "\ufffd"))
	}
	return fmt.Sprintf("%q", value)
}
