package plugin

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

// filterFlags are the flags of a filter, as far as a command has them.
type filterFlags struct {
	filter   client.Filter
	protocol string
}

var protocols = []string{state.TCP.String(), state.UDP.String(), state.SCTP.String()}

func (f *filterFlags) register(cmd *cobra.Command, names, states, kinds []string) {
	flags := cmd.Flags()
	add := map[string]func(){
		"namespace": func() {
			flags.StringVarP(&f.filter.Namespace, "namespace", "n", "", "only of this namespace; default: of all")
		},
		"node": func() { flags.StringVar(&f.filter.Node, "node", "", "only on this node") },
		"pod":  func() { flags.StringVar(&f.filter.Pod, "pod", "", "only of this pod, or what leads to it") },
		"owner": func() {
			flags.StringVar(&f.filter.Owner, "owner", "", "only of this owner's pods: a name, or kind and name such as Deployment/web")
		},
		"state": func() {
			flags.StringVar(&f.filter.State, "state", "", "only in this state: "+strings.Join(states, ", "))
			complete(cmd, "state", states...)
		},
		"kind": func() {
			flags.StringVar(&f.filter.Kind, "kind", "", "only of this kind: "+strings.Join(kinds, ", "))
			complete(cmd, "kind", kinds...)
		},
		"port": func() { flags.Uint16Var(&f.filter.Port, "port", 0, "only this port") },
		"protocol": func() {
			flags.StringVar(&f.protocol, "protocol", "", "only this protocol: "+strings.Join(protocols, ", "))
			complete(cmd, "protocol", protocols...)
		},
		"query": func() {
			flags.StringVarP(&f.filter.Query, "query", "q", "", "only where each of these words is in a name, image, reason or message")
		},
	}
	for _, name := range names {
		add[name]()
	}
}

// parse is the filter that was given; the master has the last word on it.
func (f *filterFlags) parse() (client.Filter, error) {
	filter := f.filter
	if f.protocol == "" {
		return filter, nil
	}
	if err := filter.Protocol.UnmarshalText([]byte(strings.ToUpper(f.protocol))); err != nil || filter.Protocol == state.ProtocolUnknown {
		return filter, fmt.Errorf("--protocol is %q, and may be %s", f.protocol, strings.Join(protocols, ", "))
	}
	return filter, nil
}
