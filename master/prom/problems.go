package prom

import (
	"github.com/prometheus/common/model"
)

func problemFamilies() []family {
	return []family{
		{"rollcall_problem", "Number of objects that a problem of the cluster's summary affects. The summary has the worst problems only. The label muted has the reason why a problem does not count.", model.MetricTypeGauge, Summary, rollcallLabels, problems},
	}
}

func problems(c *cluster, out *seriesCollector) {
	if !c.hasState() {
		return
	}
	constant := c.reportInterval().constant
	for i := range c.report.Summary.Problems {
		p := &c.report.Summary.Problems[i]
		out.addUnique(constant(float64(p.Count)), "severity", p.Severity.String(), "kind", p.Kind, "what", p.What, "where", p.Where,
			"owner_kind", p.Owner.Kind, "owner_name", p.Owner.Name, "muted", p.Muted)
	}
}
