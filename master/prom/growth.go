package prom

import (
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// labelGrowth estimates the labels that an expression builds for one selected series.
type labelGrowth struct {
	// values has the length of the longest value of each label that is built, in bytes.
	values map[string]float64
	// matchSteps is the work of the regular expressions; see maxMatchSteps.
	matchSteps float64
}

// longest returns the length of the longest value.
func (g labelGrowth) longest() (n float64) {
	for _, v := range g.values {
		n = max(n, v)
	}
	return n
}

// bytes returns the length of all values together.
func (g labelGrowth) bytes() (n float64) {
	for _, v := range g.values {
		n += v
	}
	return n
}

// valueLength returns the length of the longest value of a label, whose values in the selected
// series have up to longest bytes.
func (g labelGrowth) valueLength(label string, longest float64) float64 {
	return max(g.values[label], longest)
}

// estimateLabels estimates the labels that expr builds from label values of up to longest bytes.
func (ce *costEstimate) estimateLabels(expr parser.Expr, longest float64) labelGrowth {
	switch e := expr.(type) {
	case *parser.SubqueryExpr:
		return ce.estimateLabels(e.Expr, longest)
	case *parser.ParenExpr:
		return ce.estimateLabels(e.Expr, longest)
	case *parser.UnaryExpr:
		return ce.estimateLabels(e.Expr, longest)
	case *parser.StepInvariantExpr:
		return ce.estimateLabels(e.Expr, longest)
	case *parser.BinaryExpr:
		return mergeGrowth(ce.estimateLabels(e.LHS, longest), ce.estimateLabels(e.RHS, longest))
	case *parser.AggregateExpr:
		g := ce.estimateLabels(e.Expr, longest)
		if e.Param != nil {
			g = mergeGrowth(g, ce.estimateLabels(e.Param, longest))
		}
		if label, ok := stringLiteral(e.Param); ok && e.Op == parser.COUNT_VALUES {
			g.values[label] = max(g.values[label], maxNumberLength)
		}
		return g
	case *parser.Call:
		return ce.estimateCallLabels(e, longest)
	}
	return labelGrowth{values: map[string]float64{}}
}

func mergeGrowth(a, b labelGrowth) labelGrowth {
	for label, n := range b.values {
		a.values[label] = max(a.values[label], n)
	}
	a.matchSteps += b.matchSteps
	return a
}

func (ce *costEstimate) estimateCallLabels(e *parser.Call, longest float64) labelGrowth {
	g := labelGrowth{values: map[string]float64{}}
	switch e.Func.Name {
	case "label_replace":
		g = ce.estimateLabels(e.Args[0], longest)
		to, _ := stringArg(e, 1)
		replacement, _ := stringArg(e, 2)
		from, _ := stringArg(e, 3)
		expr, _ := stringArg(e, 4)
		source := g.valueLength(from, longest)
		g.matchSteps += source * float64(ce.programs[expr])
		g.values[to] = max(g.values[to], float64(len(replacement))+float64(strings.Count(replacement, "$"))*source)
	case "label_join":
		g = ce.estimateLabels(e.Args[0], longest)
		to, _ := stringArg(e, 1)
		separator, _ := stringArg(e, 2)
		joined := 0.0
		for i := 3; i < len(e.Args); i++ {
			from, _ := stringArg(e, i)
			joined += g.valueLength(from, longest) + float64(len(separator))
		}
		g.values[to] = max(g.values[to], joined)
	default:
		for _, arg := range e.Args {
			g = mergeGrowth(g, ce.estimateLabels(arg, longest))
		}
	}
	return g
}
