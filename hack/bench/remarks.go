package main

// remarks are written by hand, by the ID of the row that they are about: what was tried
// where a goal is not reached, and what stands in the way. They survive every run.
var remarks = map[string]string{
	"flip.wide": "a flip is two flushes, since the EndpointSlice changes some 100 ms after its pod: some 305 bytes for the pod and 170 for its endpoint. " +
		"Joining the messages of a flush to one frame saved 28 bytes in each. What is left is mostly strings of the container that did not change (names, image, digest): " +
		"an upsert that leaves out what the master holds already would need a third of it.",
	"idle.refresh": "the answer to the upgrade and the agent's Hello take some 400 bytes, the summary with the problems of this cluster the rest. " +
		"Session tickets, which nobody would use, are off. To the agent it is the upgrade's request with its token.",
	"latency.fast": "both cores were busy with other work during this run; an earlier one saw P50 48 and P99 117 ms.",
	"miss.cold":    "both cores were busy with other work during this run. An answer is 7.5 MB of JSON, made at the first read; most of the time is decoding the snapshot and writing that.",
}
