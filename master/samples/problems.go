package samples

import (
	"github.com/prometheus/common/model"
)

func problemFamilies() []Family {
	return []Family{
		{"rollcall_problem", "Number of objects that a problem of the cluster's summary affects. The summary has the worst problems only. The label muted has the reason why a problem does not count.", model.MetricTypeGauge, Summary, rollcallLabels, problems},
	}
}

func problems(c *Cluster, out *Collector) {
	if !c.hasState() {
		return
	}
	constant := c.reportInterval().constant
	for i := range c.Report.Summary.Problems {
		p := &c.Report.Summary.Problems[i]
		out.addUnique(constant(float64(p.Count)), "severity", p.Severity.String(), "kind", p.Kind, "what", p.What, "where", p.Where,
			"owner_kind", p.Owner.Kind, "owner_name", p.Owner.Name, "muted", p.Muted)
	}
}
