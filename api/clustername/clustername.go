// Package clustername derives names of clusters from the contexts of a kubeconfig.
package clustername

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// maxLength limits the name of a ClusterAgent.
const maxLength = validation.DNS1123LabelMaxLength

// Of returns the name of the cluster of each context: valid as the name of a ClusterAgent, unique, and
// recognizable. Contexts whose names are valid keep them.
func Of(contexts []string) map[string]string {
	names, taken := map[string]string{}, map[string]bool{}
	for _, context := range contexts {
		if clusterName(context) == context {
			names[context], taken[context] = context, true
		}
	}
	for _, context := range contexts {
		if _, done := names[context]; done {
			continue
		}
		name := firstFree(taken, clusterName(eksName(context)), clusterName(context))
		names[context], taken[name] = name, true
	}
	return names
}

// firstFree returns the first of the candidates that is not taken, or the last one with a number.
func firstFree(taken map[string]bool, candidates ...string) string {
	for _, name := range candidates {
		if !taken[name] {
			return name
		}
	}
	last := candidates[len(candidates)-1]
	for i := 2; ; i++ {
		suffix := fmt.Sprintf("-%d", i)
		if name := strings.Trim(last[:min(len(last), maxLength-len(suffix))], "-.") + suffix; !taken[name] {
			return name
		}
	}
}

// eksName returns the name of the cluster in an ARN of EKS, arn:aws:eks:REGION:ACCOUNT:cluster/NAME. It returns other
// names unchanged.
func eksName(context string) string {
	parts := strings.SplitN(context, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && parts[2] == "eks" {
		if name, ok := strings.CutPrefix(parts[5], "cluster/"); ok {
			return name
		}
	}
	return context
}

// clusterName returns a context's name in lower case, with hyphens in place of other characters than letters, digits,
// hyphens and dots. An IP address gets hyphens too, as the API takes addresses for those of nodes.
func clusterName(context string) string {
	if _, err := netip.ParseAddr(context); err == nil {
		context = strings.ReplaceAll(context, ".", "-")
	}
	labels := strings.FieldsFunc(strings.ToLower(context), func(r rune) bool { return r == '.' })
	kept := labels[:0]
	for _, label := range labels {
		words := strings.FieldsFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
		})
		if label = strings.Trim(strings.Join(words, "-"), "-"); label != "" {
			kept = append(kept, label)
		}
	}
	name := strings.Join(kept, ".")
	name = strings.Trim(name[:min(len(name), maxLength)], "-.")
	return cmp.Or(name, "cluster")
}
