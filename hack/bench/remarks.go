package main

// remarks are written by hand, by the ID of the row that they are about: what was tried
// where a goal is not reached, and what stands in the way. They survive every run.
var remarks = map[string]string{
	"stream.snapshot": "a UID is 16 random bytes a pod, which nothing compresses, 80 kB here. " + snapshotGrowth,
	"large.snapshot":  "a UID is 16 random bytes a pod, 8.1 a container here. " + snapshotGrowth,
	"large.steady": "a pod's facts, with those of its containers, take some 290 bytes more than before they had UIDs, kubectl's columns and the times of their problems, and a node's its conditions. " +
		"The collector keeps 10 % of garbage; less costs more CPU than is gained.",
	"flip.wide": "a flip is two flushes, since the EndpointSlice changes some 100 ms after its pod: each has the key of what changed, the fields in which it differs, and a bookmark. " +
		"Sent whole, as it was before, an object took some 305 and 170 bytes.",
	"idle.refresh": "to the agent it is the upgrade's request, of which its token is half, and a Report, of which the signature is half; to the master the upgrade's answer, a Hello with a nonce, and the summary. " +
		"Problems, resources and who answers are told by their hashes where the master has them already. Session tickets, which nobody would use, are off, and nobody says good-bye beside TLS.",
	"miss.cold": "the master decodes one chunk of the snapshot while the agent makes the next, its lists are made at the same time, and the agent's collector leaves garbage alone meanwhile: " +
		"before each of these it was P50 204 and P99 368 ms.",
	"fleet.reads": "a thousand agents, Redis, the hub, the master and who reads share two cores. What the master before left in Redis is the base of the next session, so no snapshot is sent; " +
		"clusters begin in turns, and half of the processors are left to reads. Before, P99 was 76 ms and more.",
	"fleet.history":               "the collector's room for garbage grows with what is alive: history itself is what is said behind it.",
	"fleet.sink":                  "each cluster's labels are kept, and batches until they are sent.",
	"serve.get-300-identity-tail": serveTail,
	"serve.get-300-gzip-tail":     serveTail,
}

const snapshotGrowth = "Facts that kube-state-metrics and kubectl show came with them; before, the goal was reached. As text in the compressed part UIDs took 24 bytes each, so they are sent beside it. " +
	"Only sending them to masters that are asked for PromQL would reach the goal, and was not tried."

const serveTail = "most of it was the collector: by Go's own rule a master of one cluster, of which seven megabytes are alive, collects ten times a second under this load. " +
	"It leaves a heap of less than 64 MiB alone; before, P99 was twice as long. The bare server goes by Go's own rule. Who asks and who answers share two cores."
