package plugin

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

// filterFlags holds the filter flags of a command.
type filterFlags struct {
	filter   client.Filter
	protocol string
}

var protocols = []string{state.TCP.String(), state.UDP.String(), state.SCTP.String()}

func (f *filterFlags) register(cmd *cobra.Command, names, states, kinds []string) {
	flags := cmd.Flags()
	add := map[string]func(){
		"namespace": func() {
			flags.StringVarP(&f.filter.Namespace, "namespace", "n", "", "only in this namespace; default: all namespaces")
		},
		"node": func() { flags.StringVar(&f.filter.Node, "node", "", "only on this node") },
		"pod": func() {
			flags.StringVar(&f.filter.Pod, "pod", "", "only of this pod; for ports, those that lead to it")
		},
		"owner": func() {
			flags.StringVar(&f.filter.Owner, "owner", "", "only pods of this owner: a name, or kind/name such as Deployment/web")
		},
		"state": func() {
			flags.StringVar(&f.filter.State, "state", "", "only in this state, one of: "+strings.Join(states, ", "))
			completeFlag(cmd, "state", states...)
		},
		"kind": func() {
			flags.StringVar(&f.filter.Kind, "kind", "", "only of this kind, one of: "+strings.Join(kinds, ", "))
			completeFlag(cmd, "kind", kinds...)
		},
		"port": func() { flags.Uint16Var(&f.filter.Port, "port", 0, "only this port") },
		"protocol": func() {
			flags.StringVar(&f.protocol, "protocol", "", "only this protocol, one of: "+strings.Join(protocols, ", "))
			completeFlag(cmd, "protocol", protocols...)
		},
		"query": func() {
			flags.StringVarP(&f.filter.Query, "query", "q", "", "only rows with each of these words in a name, image, reason or message")
		},
	}
	for _, name := range names {
		add[name]()
	}
}

// parse returns the filter. The master validates the rest of it.
func (f *filterFlags) parse() (client.Filter, error) {
	filter := f.filter
	if f.protocol == "" {
		return filter, nil
	}
	if err := filter.Protocol.UnmarshalText([]byte(strings.ToUpper(f.protocol))); err != nil || filter.Protocol == state.ProtocolUnknown {
		return filter, fmt.Errorf("invalid --protocol %q, want one of %s", f.protocol, strings.Join(protocols, ", "))
	}
	return filter, nil
}
