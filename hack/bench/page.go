package main

import (
	"fmt"
	"strings"
	"time"
)

// pageHead and pageMethod are formats and texts of docs/BENCHMARKS.md.
const pageHead = `# Benchmarks

` + "`make bench`" + ` writes this page, and anyone can run it: real kube-apiserver and etcd, kwok in place of
kubelets, the real binaries of agent and master, and a client-go poller, all on one
machine. The remarks are in ` + "`hack/bench/remarks.go`" + `.

%s. %s.

`

const pageMethod = `## How it is measured

- **Bytes** are counted on the sockets, by forwarders on loopback between agent and
  master, and between poller and API server: TLS records with their content, without the
  headers of TCP and IP. Connections to agents use wss.
- **Requests** are counted in the API server's audit log, for the agent's own user.
- **Memory** is VmRSS and VmHWM of each process, **CPU** its user and system time, from
  /proc; a percentage is of one core.
- **The poller** is a process of its own. It lists pods, nodes, services, EndpointSlices,
  PersistentVolumeClaims and metrics.k8s.io with client-go every 5 s, as often as the agent
  reports; once without compression, once with gzip.
- **Usage** comes from a server that responds like metrics-server, every 15 s, with
  seeded values (nanocores with all their digits): *still* never changes; in *office* a fifth of nodes and containers change by
  up to 5 %% CPU and 1 %% memory a sample; in *storm* all do. A value is one number: the CPU or
  the memory of one container or node.
- **Regular pods** are those of a scenario of test/kube, simulated by kwok. **Irregular
  pods** are written directly to the API: 1 to 23 of a workload. Each workload has different
  names, images and digests, each container different times.
- **GETs** go to the real master, over plain HTTP, for a cluster of hack/fleet that keeps
  reporting. The bare server sends the bytes of one response of the master. Both are measured
  in turns, each time by a new client process. Half load is half of the master's highest
  rate; if the previous response is late, the latency of a request counts from the time
  at which it was due.
- **Latency** is the time from the API server's response to a write until the master's end of the session has
  processed the flush with that change, in one process with one clock.
`

// page returns the content of docs/BENCHMARKS.md.
func page(rows []row, machine string, remarks map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, pageHead, measuredOn(rows), machine)
	b.WriteString("| | goal | measured | reached |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", escapeCell(r.What), escapeCell(r.Goal), escapeCell(r.Figure), verdictCell(r))
	}
	b.WriteString("\n" + remarksSection(rows, remarks))
	b.WriteString(strings.ReplaceAll(pageMethod, "%%", "%"))
	return b.String()
}

// verdictCell returns the verdict as Markdown: bold if the goal was not reached or not measured.
func verdictCell(r row) string {
	if r.Verdict == notReached || r.Verdict == failed {
		return "**" + string(r.Verdict) + "**"
	}
	return string(r.Verdict)
}

// escapeCell escapes a text for a cell of a Markdown table.
func escapeCell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

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

// remarksSection returns the section with the remarks on the rows. A missed goal without a remark is listed, too.
func remarksSection(rows []row, remarks map[string]string) string {
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
