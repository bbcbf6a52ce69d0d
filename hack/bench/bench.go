package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// lastRun is the file with the rows of the last run at full size. -keep reads it.
const lastRun = "bin/bench.json"

// scenario is a measurement that yields some rows of the table.
type scenario struct {
	name, about string
	// measure returns the rows that were measured, also if it returns an error.
	measure func(ctx context.Context, env *environment) ([]row, error)
	// usesShared says that the scenario measures the shared session. That session ends before
	// scenarios that do not.
	usesShared bool
}

// scenarios lists all scenarios in the order in which they run: stream, flip and resident share a session.
var scenarios = []scenario{
	{"stream", "what a session sends, against polling", measureStream, true},
	{"flip", "one pod's readiness changes", measureFlip, true},
	{"resident", "the agent's memory after ten minutes, its requests", measureResident, true},
	{"idle", "a cluster that no client requests", measureIdle, false},
	{"latency", "from a change in the API server to the master", measureLatency, false},
	{"miss", "the first request for a cluster", measureMiss, false},
	{"reconnect", "a connection that was cut", measureReconnect, false},
	{"large", "irregular pods, and very many of them", measureLarge, false},
	{"fleet", "one master and very many simulated clusters", measureFleet, false},
	{"links", "one master and very many clusters whose agents dial it", measureLinks, false},
	{"serve", "responses and watches of the master, against plain net/http", measureServe, false},
}

// selectScenarios returns the scenarios with the given names, or all scenarios if there are no names.
func selectScenarios(names []string) ([]scenario, error) {
	if len(names) == 0 {
		return scenarios, nil
	}
	var all []scenario
	for _, s := range scenarios {
		if slices.Contains(names, s.name) {
			all = append(all, s)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s scenario) bool { return s.name == name }) {
			return nil, fmt.Errorf("unknown scenario %q; see -list", name)
		}
	}
	return all, nil
}

// bench runs the selected scenarios and writes the results.
func bench(ctx context.Context, o options) error {
	startedAt := time.Now()
	log := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(startedAt).Seconds(), fmt.Sprintf(format, args...))
	}
	list, err := selectScenarios(o.only)
	if err != nil {
		return err
	}
	env, err := newEnvironment(ctx, o.sizes, log)
	if err != nil {
		return err
	}
	rows, err := measure(ctx, env, list, o.sizes == full)
	err = errors.Join(err, env.close())
	log("done in %.1f min", time.Since(startedAt).Minutes())
	if ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	return errors.Join(err, o.write(env.root, rows))
}

// measure runs the scenarios one after the other. If one fails, the others still run, unless
// ctx ends.
func measure(ctx context.Context, env *environment, list []scenario, withVerdicts bool) (rows []row, err error) {
	for _, s := range list {
		env.log("%s: %s", s.name, s.about)
		startedAt := time.Now()
		if !s.usesShared {
			err = errors.Join(err, env.endShared(ctx))
		}
		found, failure := s.measure(ctx, env)
		if failure != nil {
			failure = fmt.Errorf("scenario %s: %w", s.name, failure)
			found = append(found, row{ID: s.name, What: s.about, Figure: oneLine(failure), Verdict: failed, At: time.Now()})
			err = errors.Join(err, failure)
		}
		for _, r := range found {
			if !withVerdicts && r.Verdict != failed {
				r.Verdict = noGoal
			}
			fmt.Println(r.line())
		}
		env.log("%s took %.0f s", s.name, time.Since(startedAt).Seconds())
		rows = append(rows, found...)
		if ctx.Err() != nil {
			return rows, err
		}
	}
	return rows, err
}

// oneLine returns the first line of an error's text.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// write stores the rows of a run at full size, and writes the requested page.
func (o options) write(root string, rows []row) error {
	if o.sizes == full {
		kept, err := readRows(filepath.Join(root, lastRun))
		if err != nil {
			return err
		}
		if o.keep {
			rows = merge(kept, rows, o.only)
		}
		if err := writeRows(filepath.Join(root, lastRun), rows); err != nil {
			return err
		}
	}
	if o.out == "" {
		return nil
	}
	m, err := machine()
	if err != nil {
		return err
	}
	path := o.out
	if !filepath.IsAbs(path) {
		path = filepath.Join(root, path)
	}
	return os.WriteFile(path, []byte(page(rows, m, remarks)), 0o644)
}

// merge returns the new rows of the scenarios in run, and the earlier rows of all other
// scenarios, in the order of the scenarios.
func merge(before, now []row, run []string) []row {
	var all []row
	for _, s := range scenarios {
		from := now
		if len(run) > 0 && !slices.Contains(run, s.name) {
			from = before
		}
		all = append(all, filter(from, func(r row) bool { return scenarioOf(r) == s.name })...)
	}
	return all
}

// scenarioOf returns the name of the scenario that measured a row.
func scenarioOf(r row) string {
	name, _, _ := strings.Cut(r.ID, ".")
	return name
}

// readRows returns the rows in a file, or nil if the file does not exist.
func readRows(path string) (rows []row, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &rows)
	}
	if err != nil {
		return nil, fmt.Errorf("read the rows of the last run: %w", err)
	}
	return rows, nil
}

// writeRows stores rows in a file as JSON.
func writeRows(path string, rows []row) error {
	data, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
