package main

import (
	"fmt"
	"time"
)

// verdict says whether a figure reached its goal.
type verdict string

const (
	reached    verdict = "yes"
	notReached verdict = "no"
	// noGoal is the verdict of a row without a goal.
	noGoal verdict = ""
	// failed is the verdict of a scenario that failed.
	failed verdict = "not measured"
)

// row is one line of the table.
type row struct {
	// ID is the key of the remark, in the form scenario.what.
	ID      string    `json:"id"`
	What    string    `json:"what"`
	Goal    string    `json:"goal,omitempty"`
	Figure  string    `json:"figure"`
	Verdict verdict   `json:"verdict"`
	At      time.Time `json:"at"`
}

// goalRow returns a row with a verdict.
func goalRow(id, what, goal string, ok bool, figure string, args ...any) row {
	r := row{ID: id, What: what, Goal: goal, Figure: fmt.Sprintf(figure, args...), Verdict: notReached, At: time.Now()}
	if ok {
		r.Verdict = reached
	}
	return r
}

// infoRow returns a row without a goal.
func infoRow(id, what, figure string, args ...any) row {
	return row{ID: id, What: what, Figure: fmt.Sprintf(figure, args...), At: time.Now()}
}

// line returns the row as it is printed on a terminal.
func (r row) line() string {
	symbol := map[verdict]string{reached: "✓", notReached: "✗", failed: "!", noGoal: " "}[r.Verdict]
	wanted := ""
	if r.Goal != "" {
		wanted = "  (goal: " + r.Goal + ")"
	}
	return fmt.Sprintf("  %s %-62s %s%s", symbol, r.What, r.Figure, wanted)
}
