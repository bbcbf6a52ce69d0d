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

// These constants limit a request. docs/PROMETHEUS.md lists the limits and their reasons.
const (
	// maxQuery limits the length of an expression or selector, in bytes.
	maxQuery = 32 << 10
	// maxNesting limits the nesting of parentheses and maxOperators the operators of an
	// expression. Together they limit the depth of its syntax tree.
	maxNesting   = 100
	maxOperators = 500
	// maxSelectors limits the selectors of an expression and the match[] of a request.
	maxSelectors = 100
	// maxLabelCalls limits the calls of label_replace and label_join in an expression.
	maxLabelCalls = 50
	// maxCountValues limits the count_values aggregations in an expression.
	maxCountValues = 4
	// maxLabelValue limits the label values that an expression can build, in bytes, from label
	// values of typicalValue bytes.
	maxLabelValue = 64 << 10
	typicalValue  = 256
	// maxLabelBytes limits all label values together that an expression can build, in bytes.
	maxLabelBytes = 64 << 20
	// maxMatchSteps limits the work of the regular expressions of label_replace: the product of
	// the characters of the label values and the instructions of the programs.
	maxMatchSteps = 3e9
	// maxPreallocatedPoints limits the points that the engine preallocates, of 16 bytes each. The
	// engine preallocates all steps of a range, up to maxPreallocatedSteps, for each series of an
	// intermediate result.
	maxPreallocatedPoints = 16_000_000
	maxPreallocatedSteps  = 5000
	// maxNumberLength is the longest text of a number, in bytes. count_values turns numbers into
	// label values.
	maxNumberLength = 350
	// maxResponse limits the length of a response, in bytes.
	maxResponse = 128 << 20
)

// textCheck is the result of checking the expressions and selectors of a request before they
// are parsed. This has to come first, as Prometheus' parser compiles regular expressions.
type textCheck struct {
	// programs is the size of all regular expressions of the request.
	programs programSize
	// clusters are up to maxHints clusters that the request names, as in {cluster="prod-eu"}.
	// Callers that may see any cluster can usually see the first of these.
	clusters []string
}

// checkForm checks the parameters query and match[] of a request.
func checkForm(form url.Values) (*textCheck, error) {
	c := &textCheck{}
	if n := len(form["match[]"]); n > maxSelectors {
		return nil, badData("match[]", fmt.Errorf("got %d selectors, want at most %d; split the request", n, maxSelectors))
	}
	for _, name := range form["cluster"] {
		c.addCluster(name)
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

// add checks the tokens of one expression or selector. It stops at a token that is not PromQL
// and returns nil: the parser then fails at the same token.
func (c *textCheck) add(text string) error {
	if len(text) > maxQuery {
		return fmt.Errorf("it is %d bytes long, the limit is %d; shorten it or split the request", len(text), maxQuery)
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
				return fmt.Errorf("parentheses are nested more than %d deep; simplify the expression", maxNesting)
			}
		case parser.RIGHT_PAREN, parser.RIGHT_BRACKET:
			nesting--
		case parser.EQL, parser.NEQ, parser.EQL_REGEX, parser.NEQ_REGEX:
			label = last
		case parser.STRING:
			if err := c.checkMatcher(label, last.Typ, item.Val); err != nil {
				return err
			}
		}
		if item.Typ.IsOperator() {
			if operators++; operators > maxOperators {
				return fmt.Errorf("it has more than %d operators; simplify the expression or split the request", maxOperators)
			}
		}
		last = item
	}
}

// checkMatcher checks the string of a label matcher.
func (c *textCheck) checkMatcher(label parser.Item, operator parser.ItemType, quoted string) error {
	switch operator {
	case parser.EQL:
		if label.Val == clusterLabel {
			if name, err := strutil.Unquote(quoted); err == nil {
				c.addCluster(name)
			}
		}
	case parser.EQL_REGEX, parser.NEQ_REGEX:
		if expr, err := strutil.Unquote(quoted); err == nil {
			return c.programs.add(expr)
		}
	}
	return nil
}

// addCluster adds a cluster that the request names to c.clusters.
func (c *textCheck) addCluster(cluster string) {
	if cluster != "" && len(c.clusters) < maxHints && !slices.Contains(c.clusters, cluster) {
		c.clusters = append(c.clusters, cluster)
	}
}

// costEstimate says what the evaluation of an expression costs for each selected series. It
// covers what the engine does not limit, as that counts samples only.
type costEstimate struct {
	expr parser.Expr
	// steps is the number of steps of the expression or of its longest subquery.
	steps float64
	// countValues counts the count_values aggregations. Each can make a series of each sample.
	countValues int
	// labelCalls counts the calls of label_replace and label_join.
	labelCalls int
	// perSeries means that the engine preallocates points for each series. Otherwise it does
	// so for each distinct set of values of the labels in grouping.
	perSeries bool
	grouping  []string
	// longest is the length of the longest label value in the expression, in bytes. programs
	// has the program size of each regular expression of label_replace.
	longest  int
	programs map[string]int

	// selectors counts the selectors, totalPrograms the size of all regular expressions.
	selectors     int
	totalPrograms programSize
}

// estimateCost checks the syntax tree of an expression and returns its cost. checkForm has to
// check the text first, as that limits the depth of the tree. duration and step describe a
// range query; both are 0 for an instant query.
func estimateCost(expr parser.Expr, total programSize, duration, step time.Duration) (*costEstimate, error) {
	ce := &costEstimate{expr: expr, steps: 1, totalPrograms: total}
	if step > 0 {
		ce.steps = math.Floor(float64(duration)/float64(step)) + 1
	}
	if err := ce.visit(expr, nil, duration); err != nil {
		return nil, err
	}
	if ce.labelCalls > 0 && ce.estimateLabels(expr, float64(max(ce.longest, typicalValue))).longest() > maxLabelValue {
		return nil, fmt.Errorf("label_replace or label_join could make label values of more than %d bytes; use fewer references in the replacement, or nest fewer calls", maxLabelValue)
	}
	// Functions such as vector() make a series without a selector.
	if err := ce.check(1, max(ce.longest, typicalValue), nil); err != nil {
		return nil, err
	}
	return ce, nil
}

// visit checks the subtree of expr. consumer is the closest node above expr for which the engine
// preallocates points, nil if there is none. span is the time range that expr is evaluated over.
func (ce *costEstimate) visit(expr parser.Expr, consumer parser.Expr, span time.Duration) error {
	switch e := expr.(type) {
	case *parser.VectorSelector:
		return ce.visitSelector(e, consumer)
	case *parser.MatrixSelector:
		return ce.visit(e.VectorSelector, consumer, span)
	case *parser.SubqueryExpr:
		return ce.visitSubquery(e, consumer, span)
	case *parser.ParenExpr:
		return ce.visit(e.Expr, consumer, span)
	case *parser.UnaryExpr:
		return ce.visit(e.Expr, consumer, span)
	case *parser.StepInvariantExpr:
		return ce.visit(e.Expr, consumer, span)
	case *parser.AggregateExpr:
		if e.Op == parser.COUNT_VALUES {
			if ce.countValues++; ce.countValues > maxCountValues {
				return fmt.Errorf("it has more than %d count_values; split the request", maxCountValues)
			}
		}
		if e.Param != nil {
			if err := ce.visit(e.Param, e, span); err != nil {
				return err
			}
		}
		return ce.visit(e.Expr, e, span)
	case *parser.BinaryExpr:
		if err := ce.visit(e.LHS, e, span); err != nil {
			return err
		}
		return ce.visit(e.RHS, e, span)
	case *parser.Call:
		return ce.visitCall(e, consumer, span)
	}
	return nil
}

func (ce *costEstimate) visitSelector(e *parser.VectorSelector, consumer parser.Expr) error {
	if ce.selectors++; ce.selectors > maxSelectors {
		return fmt.Errorf("it has more than %d selectors; split the request", maxSelectors)
	}
	for _, m := range e.LabelMatchers {
		if m.Type == labels.MatchEqual { // absent() copies these values into labels
			ce.longest = max(ce.longest, len(m.Value))
		}
	}
	aggregate, ok := consumer.(*parser.AggregateExpr)
	switch {
	case consumer == nil:
	case ok && !aggregate.Without && slices.Contains(reducingAggregations, aggregate.Op):
		ce.grouping = append(ce.grouping, aggregate.Grouping...)
		slices.Sort(ce.grouping)
		ce.grouping = slices.Compact(ce.grouping)
	default:
		ce.perSeries = true
	}
	return nil
}

// reducingAggregations are the aggregations that return one series for each group.
var reducingAggregations = []parser.ItemType{parser.SUM, parser.AVG, parser.COUNT, parser.MIN, parser.MAX, parser.GROUP, parser.STDDEV, parser.STDVAR, parser.QUANTILE}

func (ce *costEstimate) visitSubquery(e *parser.SubqueryExpr, consumer parser.Expr, span time.Duration) error {
	step := e.Step
	if step <= 0 {
		step = defaultStep
	}
	if span += e.Range; span < 0 { // overflow
		span = math.MaxInt64
	}
	steps := math.Floor(float64(span)/float64(step)) + 1
	if steps > maxPoints {
		return fmt.Errorf("the subquery [%s:%s] has more than %d steps; use a longer step or a shorter range", e.Range, step, maxPoints)
	}
	ce.steps = max(ce.steps, steps)
	return ce.visit(e.Expr, consumer, span)
}

func (ce *costEstimate) visitCall(e *parser.Call, consumer parser.Expr, span time.Duration) error {
	switch e.Func.Name {
	case "label_replace", "label_join":
		if ce.labelCalls++; ce.labelCalls > maxLabelCalls {
			return fmt.Errorf("it has more than %d label_replace and label_join; split the request", maxLabelCalls)
		}
		if expr, ok := stringArg(e, 4); ok && e.Func.Name == "label_replace" {
			before := ce.totalPrograms
			if err := ce.totalPrograms.add(expr); err != nil {
				return err
			}
			if ce.programs == nil {
				ce.programs = map[string]int{}
			}
			ce.programs[expr] = int(ce.totalPrograms - before)
		}
		return ce.visit(e.Args[0], consumer, span)
	}
	for _, arg := range e.Args {
		argConsumer := parser.Expr(e)
		// The engine reuses one buffer for range vectors. absent and scalar return one series.
		if arg.Type() == parser.ValueTypeMatrix || e.Func.Name == "absent" || e.Func.Name == "scalar" {
			argConsumer = consumer
		}
		if err := ce.visit(arg, argConsumer, span); err != nil {
			return err
		}
	}
	return nil
}

// stringArg returns the value of the i-th argument if that is a string literal.
func stringArg(e *parser.Call, i int) (string, bool) {
	if i >= len(e.Args) {
		return "", false
	}
	return stringLiteral(e.Args[i])
}

// stringLiteral returns the value of expr if that is a string literal, possibly in parentheses.
func stringLiteral(expr parser.Expr) (string, bool) {
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

// check returns an error if evaluating the expression over so many selected series costs too
// much. longest is the length of their longest label value, in bytes. groups, if it is not nil,
// returns how many distinct sets of values the selected series have for some labels.
func (ce *costEstimate) check(series, longest int, groups func(names []string) int) error {
	made, steps := float64(series), min(ce.steps, maxPreallocatedSteps)
	if ce.countValues > 0 {
		made *= ce.steps
	}
	if ce.labelCalls > 0 {
		growth := ce.estimateLabels(ce.expr, float64(longest))
		if made*growth.bytes() > maxLabelBytes {
			return fmt.Errorf("label_replace or label_join could make more than %d MiB of label values for %d series; select fewer series, or use fewer references in the replacement", maxLabelBytes>>20, series)
		}
		if made*growth.matchSteps > maxMatchSteps {
			return fmt.Errorf("label_replace would take too long for %d series; select fewer series, or simplify its regular expression", series)
		}
	}
	if ce.steps == 1 {
		return nil
	}
	if ce.countValues > 0 && made*steps*float64(ce.countValues) > maxPreallocatedPoints {
		return fmt.Errorf("count_values could make a series of each of %.0f values; select fewer series, or use a longer step or a shorter range", made)
	}
	points := made * steps
	if !ce.perSeries && points > maxPreallocatedPoints {
		points = 0
		if ce.grouping != nil && groups != nil {
			points = float64(groups(ce.grouping)) * steps
		}
	}
	if points > maxPreallocatedPoints {
		return fmt.Errorf("%d series with %.0f steps each need too much memory; select fewer series, aggregate by fewer labels, or use a longer step or a shorter range", series, ce.steps)
	}
	return nil
}
