package main

import (
	"fmt"
	"strings"
	"time"
)

const pageHead = `# Benchmarks

Written by ` + "`make bench`" + `, which anyone can run: real kube-apiserver and etcd, kwok as the
kubelets, the real binaries of agent and master, and a client-go poller, all on one
machine. Remarks are kept in ` + "`hack/bench/remarks.go`" + `.

%s. %s.

`

const pageMethod = `## How it is measured

- **Bytes** are those on the sockets, counted by forwarders on loopback between agent and
  master, and between poller and API server: TLS records and all that is in them; the
  headers of TCP and IP apart. Agents are reached by wss.
- **Requests** are those in the API server's audit log, by the agent's own user.
- **Memory** is VmRSS and VmHWM of each process, **CPU** its user and system time, from
  /proc; a percentage is of one core.
- **The poller** lists pods, nodes, services, EndpointSlices, PersistentVolumeClaims and
  metrics.k8s.io with client-go every 5 s, as the agent reports every 5 s; once plain,
  once with gzip, in a process of its own.
- **Usage** comes from a server that answers as metrics-server does, every 15 s, with
  seeded values (nanocores with all their digits): *still* never moves; in *office* a fifth of nodes and containers move by
  up to 5 %% CPU and 1 %% memory a sample; in *storm* all do. A value is one number: the CPU or
  the memory of one container or node.
- **Regular pods** are those of a scenario of test/kube, played by kwok. **Irregular
  pods** are written straight into the API: 1 to 23 of a workload, each workload with
  names, images and digests of its own, each container with its own times.
- **GETs** are asked of the real master, over plain HTTP, for a cluster of hack/fleet that
  reports meanwhile as ever; the bare server has the same bytes from one answer, and is
  asked in turns with it, by a process of its own each time. Half load is half of what the
  master answers at most: a request counts from when it was due, if the one before it was
  not answered by then.
- **Latency** is from the API server's answer to a write until the master has taken in
  the flush with that change, in one process with one clock.
`

// page returns the content of docs/BENCHMARKS.md.
func page(rows []row, machine string, remarks map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, pageHead, measuredOn(rows), machine)
	b.WriteString("| | goal | measured | reached |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(r.What), cell(r.Goal), cell(r.Figure), mark(r))
	}
	b.WriteString("\n" + remarked(rows, remarks))
	b.WriteString(strings.ReplaceAll(pageMethod, "%%", "%"))
	return b.String()
}

func mark(r row) string {
	if r.Verdict == notReached || r.Verdict == failed {
		return "**" + string(r.Verdict) + "**"
	}
	return string(r.Verdict)
}

// cell keeps a text from ending its cell.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

// measuredOn returns the day of the rows, or the first and the last day if some rows are older.
func measuredOn(rows []row) string {
	var first, last time.Time
	for _, r := range rows {
		if first.IsZero() || r.At.Before(first) {
			first = r.At
		}
		if r.At.After(last) {
			last = r.At
		}
	}
	from, to := first.UTC().Format(time.DateOnly), last.UTC().Format(time.DateOnly)
	if from != to {
		return "Measured from " + from + " to " + to
	}
	return "Measured on " + to
}

// remarked returns the remarks on the rows. A missed goal without a remark gets a request to
// write one.
func remarked(rows []row, remarks map[string]string) string {
	var lines []string
	for _, r := range rows {
		switch remark := remarks[r.ID]; {
		case remark != "":
			lines = append(lines, fmt.Sprintf("- **%s**: %s", r.What, remark))
		case r.Verdict == notReached:
			lines = append(lines, fmt.Sprintf("- **%s**: the goal is not reached.", r.What))
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return "## Remarks\n\n" + strings.Join(lines, "\n") + "\n\n"
}
