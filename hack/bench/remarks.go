package main

// remarks are written by hand, by the ID of the row that they are about: what was tried
// where a goal is not reached, and what stands in the way. They survive every run.
var remarks = map[string]string{
	"flip.wide": "a flip is two flushes, since the EndpointSlice changes some 100 ms after its pod: each has the key of what changed, the fields in which it differs, and a bookmark. " +
		"Sent whole, as it was before, an object took some 305 and 170 bytes.",
	"idle.refresh": "to the agent it is the upgrade's request, of which its token is half, and a Report; to the master the upgrade's answer, who answers, and the summary. " +
		"Problems and resources that the master has already are told by their hashes. Session tickets, which nobody would use, are off, and nobody says good-bye beside TLS.",
	"latency.fast": "both cores were busy with other work during this run; an earlier one saw P50 48 and P99 117 ms.",
	"miss.cold":    "both cores were busy with other work during this run. An answer is 7.5 MB of JSON, made at the first read; most of the time is decoding the snapshot and writing that.",
}
