package prom

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/strutil"
)

// Bounds of one request. docs/PROMETHEUS.md lists them, with what they are for.
const (
	// maxQuery is the longest expression or selector, in bytes.
	maxQuery = 32 << 10
	// maxNesting is how deep parentheses may be nested, maxOperators how many operators an
	// expression may have: both bound how deep its tree is.
	maxNesting   = 100
	maxOperators = 500
	// maxSelectors is how many selectors one expression may have, and how many match[] one
	// request.
	maxSelectors = 100
	// maxLabelCalls is how many label_replace and label_join one expression may have.
	maxLabelCalls = 50
	// maxCountValues is how many count_values one expression may have.
	maxCountValues = 4
	// maxLabelValue is the longest label value that an expression may make, in bytes, of
	// values of usualValue.
	maxLabelValue = 64 << 10
	usualValue    = 256
	// maxLabelBytes is how many bytes of label values an expression may make.
	maxLabelBytes = 64 << 20
	// maxMatching is how many steps label_replace may match: characters times instructions.
	maxMatching = 3e9
	// maxCells is how many points the engine may have room for, 16 bytes each. It makes room
	// for all steps of a range with each series that it makes, up to maxRoom.
	maxCells = 16_000_000
	maxRoom  = 5000
	// longestNumber is how long the text of a number may be, which count_values makes a label of.
	longestNumber = 350
	// maxAnswer is the longest answer, in bytes.
	maxAnswer = 128 << 20
)

// textCheck bounds the expressions and selectors of a request before they are parsed:
// Prometheus' parser compiles regular expressions as it finds them.
type textCheck struct {
	programs programs
	// clusters are some of those that a matcher such as {cluster="prod-eu"} names: nearly all
	// who may see a cluster may see the first of these.
	clusters []string
}

// checkForm checks the query and the match[] of a request.
func checkForm(form url.Values) (*textCheck, error) {
	c := &textCheck{}
	if n := len(form["match[]"]); n > maxSelectors {
		return nil, badData("match[]", fmt.Errorf("there are %d, and may be %d: ask in several requests", n, maxSelectors))
	}
	for _, name := range form["cluster"] {
		c.name(name)
	}
	for _, name := range [...]string{"query", "match[]"} {
		for _, text := range form[name] {
			if err := c.add(text); err != nil {
				return nil, badData(name, err)
			}
		}
	}
	return c, nil
}

// add checks one expression or selector by its tokens. What is no PromQL is left to the
// parser, which ends at the same token.
func (c *textCheck) add(text string) error {
	if len(text) > maxQuery {
		return fmt.Errorf("it is %d bytes long, and may be %d: ask for less at once, or in several requests", len(text), maxQuery)
	}
	lexer := parser.Lex(text)
	var item, last, label parser.Item
	nesting, operators := 0, 0
	for {
		lexer.NextItem(&item)
		switch item.Typ {
		case parser.EOF, parser.ERROR:
			return nil
		case parser.COMMENT:
			continue
		case parser.LEFT_PAREN, parser.LEFT_BRACKET:
			if nesting++; nesting > maxNesting {
				return fmt.Errorf("parentheses are nested more than %d deep: make the expression simpler", maxNesting)
			}
		case parser.RIGHT_PAREN, parser.RIGHT_BRACKET:
			nesting--
		case parser.EQL, parser.NEQ, parser.EQL_REGEX, parser.NEQ_REGEX:
			label = last
		case parser.STRING:
			if err := c.value(label, last.Typ, item.Val); err != nil {
				return err
			}
		}
		if item.Typ.IsOperator() {
			if operators++; operators > maxOperators {
				return fmt.Errorf("it has more than %d operators: make the expression simpler, or ask in several requests", maxOperators)
			}
		}
		last = item
	}
}

// value checks the string of a matcher.
func (c *textCheck) value(label parser.Item, operator parser.ItemType, quoted string) error {
	switch operator {
	case parser.EQL:
		if label.Val == clusterLabel {
			if name, err := strutil.Unquote(quoted); err == nil {
				c.name(name)
			}
		}
	case parser.EQL_REGEX, parser.NEQ_REGEX:
		if expr, err := strutil.Unquote(quoted); err == nil {
			return c.programs.add(expr)
		}
	}
	return nil
}

// name remembers a cluster that the request names.
func (c *textCheck) name(cluster string) {
	if cluster != "" && len(c.clusters) < maxHints && !slices.Contains(c.clusters, cluster) {
		c.clusters = append(c.clusters, cluster)
	}
}

// plan is what is known of an expression before it is evaluated: what each selected series
// may cost. The engine counts samples only.
type plan struct {
	expr parser.Expr
	// steps are those of the longest range, the expression's or that of a subquery.
	steps float64
	// countValues is how many count_values there are: each makes a series of each sample.
	countValues int
	// labelCalls is how many label_replace and label_join there are.
	labelCalls int
	// eachSeries says that the engine makes room for the steps of each series; otherwise it
	// does so for each set of values of the labels in grouping.
	eachSeries bool
	grouping   []string
	// longest is the longest label value that the expression names.
	longest  int
	programs map[string]int

	selectors int
	total     programs
}

// planOf checks an expression's tree. The check of its text has bounded how deep that is.
// Over and step are those of a range, 0 for an instant.
func planOf(expr parser.Expr, total programs, over, step time.Duration) (*plan, error) {
	p := &plan{expr: expr, steps: 1, total: total}
	if step > 0 {
		p.steps = math.Floor(float64(over)/float64(step)) + 1
	}
	if err := p.visit(expr, nil, over); err != nil {
		return nil, err
	}
	if p.labelCalls > 0 && p.grow(expr, float64(max(p.longest, usualValue))).longest() > maxLabelValue {
		return nil, fmt.Errorf("label_replace or label_join may make label values of more than %d bytes: repeat less in the replacement, or nest fewer of them", maxLabelValue)
	}
	// Series that no selector selects, such as those of vector(), cost too.
	if err := p.afford(1, max(p.longest, usualValue), nil); err != nil {
		return nil, err
	}
	return p, nil
}

// visit visits a node. nearest is the node above it for which the engine makes room for
// series, span how long the range is over which it is evaluated.
func (p *plan) visit(expr parser.Expr, nearest parser.Expr, span time.Duration) error {
	switch e := expr.(type) {
	case *parser.VectorSelector:
		return p.selector(e, nearest)
	case *parser.MatrixSelector:
		return p.visit(e.VectorSelector, nearest, span)
	case *parser.SubqueryExpr:
		return p.subquery(e, nearest, span)
	case *parser.ParenExpr:
		return p.visit(e.Expr, nearest, span)
	case *parser.UnaryExpr:
		return p.visit(e.Expr, nearest, span)
	case *parser.StepInvariantExpr:
		return p.visit(e.Expr, nearest, span)
	case *parser.AggregateExpr:
		if e.Op == parser.COUNT_VALUES {
			if p.countValues++; p.countValues > maxCountValues {
				return fmt.Errorf("it has more than %d count_values: ask in several requests", maxCountValues)
			}
		}
		if e.Param != nil {
			if err := p.visit(e.Param, e, span); err != nil {
				return err
			}
		}
		return p.visit(e.Expr, e, span)
	case *parser.BinaryExpr:
		if err := p.visit(e.LHS, e, span); err != nil {
			return err
		}
		return p.visit(e.RHS, e, span)
	case *parser.Call:
		return p.call(e, nearest, span)
	}
	return nil
}

func (p *plan) selector(e *parser.VectorSelector, nearest parser.Expr) error {
	if p.selectors++; p.selectors > maxSelectors {
		return fmt.Errorf("it has more than %d selectors: ask in several requests", maxSelectors)
	}
	for _, m := range e.LabelMatchers {
		if m.Type == labels.MatchEqual { // absent() makes labels of these
			p.longest = max(p.longest, len(m.Value))
		}
	}
	aggregate, ok := nearest.(*parser.AggregateExpr)
	switch {
	case nearest == nil:
	case ok && !aggregate.Without && slices.Contains(grouped, aggregate.Op):
		p.grouping = append(p.grouping, aggregate.Grouping...)
		slices.Sort(p.grouping)
		p.grouping = slices.Compact(p.grouping)
	default:
		p.eachSeries = true
	}
	return nil
}

// grouped are the aggregations that make one series of a group.
var grouped = []parser.ItemType{parser.SUM, parser.AVG, parser.COUNT, parser.MIN, parser.MAX, parser.GROUP, parser.STDDEV, parser.STDVAR, parser.QUANTILE}

func (p *plan) subquery(e *parser.SubqueryExpr, nearest parser.Expr, span time.Duration) error {
	step := e.Step
	if step <= 0 {
		step = defaultStep
	}
	if span += e.Range; span < 0 { // overflow
		span = math.MaxInt64
	}
	steps := math.Floor(float64(span)/float64(step)) + 1
	if steps > maxPoints {
		return fmt.Errorf("the subquery [%s:%s] has more than %d steps: make its step longer or its range shorter", e.Range, step, maxPoints)
	}
	p.steps = max(p.steps, steps)
	return p.visit(e.Expr, nearest, span)
}

func (p *plan) call(e *parser.Call, nearest parser.Expr, span time.Duration) error {
	switch e.Func.Name {
	case "label_replace", "label_join":
		if p.labelCalls++; p.labelCalls > maxLabelCalls {
			return fmt.Errorf("it has more than %d label_replace and label_join: ask in several requests", maxLabelCalls)
		}
		if expr, ok := textOf(e, 4); ok && e.Func.Name == "label_replace" {
			before := p.total
			if err := p.total.add(expr); err != nil {
				return err
			}
			if p.programs == nil {
				p.programs = map[string]int{}
			}
			p.programs[expr] = int(p.total - before)
		}
		return p.visit(e.Args[0], nearest, span)
	}
	for _, arg := range e.Args {
		under := parser.Expr(e)
		// Series of a range share the room, and absent and scalar make one series.
		if arg.Type() == parser.ValueTypeMatrix || e.Func.Name == "absent" || e.Func.Name == "scalar" {
			under = nearest
		}
		if err := p.visit(arg, under, span); err != nil {
			return err
		}
	}
	return nil
}

// textOf returns an argument that is a string.
func textOf(e *parser.Call, i int) (string, bool) {
	if i >= len(e.Args) {
		return "", false
	}
	return stringOf(e.Args[i])
}

func stringOf(expr parser.Expr) (string, bool) {
	for {
		switch a := expr.(type) {
		case *parser.ParenExpr:
			expr = a.Expr
		case *parser.StepInvariantExpr:
			expr = a.Expr
		case *parser.StringLiteral:
			return a.Val, true
		default:
			return "", false
		}
	}
}

// afford reports why so many selected series, with label values of so many bytes at most,
// would cost too much; nil: they do not. groups counts the sets of values of some labels
// among them.
func (p *plan) afford(series, longest int, groups func(names []string) int) error {
	made, room := float64(series), min(p.steps, maxRoom)
	if p.countValues > 0 {
		made *= p.steps
	}
	if p.labelCalls > 0 {
		grown := p.grow(p.expr, float64(longest))
		if made*grown.bytes() > maxLabelBytes {
			return fmt.Errorf("label_replace or label_join may make more than %d MiB of label values of %d series: select fewer, or repeat less in the replacement", maxLabelBytes>>20, series)
		}
		if made*grown.matching > maxMatching {
			return fmt.Errorf("label_replace would take too long for %d series: select fewer, or make its regular expression simpler", series)
		}
	}
	if p.steps == 1 {
		return nil
	}
	if p.countValues > 0 && made*room*float64(p.countValues) > maxCells {
		return fmt.Errorf("count_values may make a series of each of %.0f values: select fewer series, or ask for a longer step or a shorter range", made)
	}
	cells := made * room
	if !p.eachSeries && cells > maxCells {
		cells = 0
		if p.grouping != nil && groups != nil {
			cells = float64(groups(p.grouping)) * room
		}
	}
	if cells > maxCells {
		return fmt.Errorf("%d series with %.0f steps each are too much: select fewer series, aggregate them by fewer labels, or ask for a longer step or a shorter range", series, p.steps)
	}
	return nil
}
