package prom

import (
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// growth is what an expression makes of one series' labels.
type growth struct {
	// values are the longest values of labels that it makes, in bytes.
	values map[string]float64
	// matching is how many steps its regular expressions match.
	matching float64
}

// longest returns the longest value, bytes all of them together.
func (g growth) longest() (n float64) {
	for _, v := range g.values {
		n = max(n, v)
	}
	return n
}

func (g growth) bytes() (n float64) {
	for _, v := range g.values {
		n += v
	}
	return n
}

// of returns the longest value of a label.
func (g growth) of(label string, longest float64) float64 {
	return max(g.values[label], longest)
}

// grow estimates what an expression makes of labels whose values have so many bytes at most.
func (p *plan) grow(expr parser.Expr, longest float64) growth {
	switch e := expr.(type) {
	case *parser.SubqueryExpr:
		return p.grow(e.Expr, longest)
	case *parser.ParenExpr:
		return p.grow(e.Expr, longest)
	case *parser.UnaryExpr:
		return p.grow(e.Expr, longest)
	case *parser.StepInvariantExpr:
		return p.grow(e.Expr, longest)
	case *parser.BinaryExpr:
		return merge(p.grow(e.LHS, longest), p.grow(e.RHS, longest))
	case *parser.AggregateExpr:
		g := p.grow(e.Expr, longest)
		if e.Param != nil {
			g = merge(g, p.grow(e.Param, longest))
		}
		if label, ok := stringOf(e.Param); ok && e.Op == parser.COUNT_VALUES {
			g.values[label] = max(g.values[label], longestNumber)
		}
		return g
	case *parser.Call:
		return p.growByCall(e, longest)
	}
	return growth{values: map[string]float64{}}
}

func merge(a, b growth) growth {
	for label, n := range b.values {
		a.values[label] = max(a.values[label], n)
	}
	a.matching += b.matching
	return a
}

func (p *plan) growByCall(e *parser.Call, longest float64) growth {
	g := growth{values: map[string]float64{}}
	switch e.Func.Name {
	case "label_replace":
		g = p.grow(e.Args[0], longest)
		to, _ := textOf(e, 1)
		replacement, _ := textOf(e, 2)
		from, _ := textOf(e, 3)
		expr, _ := textOf(e, 4)
		source := g.of(from, longest)
		g.matching += source * float64(p.programs[expr])
		g.values[to] = max(g.values[to], float64(len(replacement))+float64(strings.Count(replacement, "$"))*source)
	case "label_join":
		g = p.grow(e.Args[0], longest)
		to, _ := textOf(e, 1)
		separator, _ := textOf(e, 2)
		joined := 0.0
		for i := 3; i < len(e.Args); i++ {
			from, _ := textOf(e, i)
			joined += g.of(from, longest) + float64(len(separator))
		}
		g.values[to] = max(g.values[to], joined)
	default:
		for _, arg := range e.Args {
			g = merge(g, p.grow(arg, longest))
		}
	}
	return g
}
