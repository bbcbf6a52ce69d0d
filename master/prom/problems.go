package prom

import (
	"github.com/prometheus/common/model"
)

func problemFamilies() []family {
	return []family{
		{"rollcall_problem", "Objects that a problem of the summary affects; muted is why it does not count, where somebody said so. The summary lists the worst.", model.MetricTypeGauge, Summary, ours, problems},
	}
}

func problems(c *cluster, out *sink) {
	if c.state() == nil {
		return
	}
	holds := c.atReport().holds
	for i := range c.value.Summary.Problems {
		p := &c.value.Summary.Problems[i]
		out.addOnce(holds(float64(p.Count)), "severity", p.Severity.String(), "kind", p.Kind, "what", p.What, "where", p.Where,
			"owner_kind", p.Owner.Kind, "owner_name", p.Owner.Name, "muted", p.Muted)
	}
}
