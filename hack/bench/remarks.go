package main

// remarks maps the IDs of rows to remarks written by hand: what was tried
// where a goal is not reached, and what prevents it. Every run keeps them.
var remarks = map[string]string{
	"stream.snapshot": "a UID is 16 random bytes a pod, which nothing compresses, 80 kB here. " + snapshotGrowth,
	"large.snapshot":  "a UID is 16 random bytes a pod, 8.1 a container here. " + snapshotGrowth,
	"large.steady": "a pod's facts, with those of its containers, take some 290 bytes more than before they had UIDs, kubectl's columns and the times of their problems; a node's facts also have its conditions. " +
		"The garbage collector keeps 10 % of garbage; less costs more CPU than the memory is worth.",
	"flip.wide": "a flip takes two flushes, since the EndpointSlice changes some 100 ms after its pod. Each has the key of the changed object, the fields that differ, and a bookmark. " +
		"Before only changed fields were sent, an object took some 305 and 170 bytes.",
	"idle.refresh": "to the agent: the upgrade request, half of which is the token, and a SubscribeRequest, half of which is the signature. To the master: the response to the upgrade, a Hello with a nonce, and the summary. " +
		"Problems, resources and identity are left out if they match the hashes that the master sends. Session tickets, which no client would use, are off, and the connection closes without a websocket close handshake.",
	"miss.cold": "the master decodes one chunk of the snapshot while the agent encodes the next, it builds its lists at the same time, and the agent's garbage collector does not run meanwhile. " +
		"Before each of these changes, P50 was 204 and P99 368 ms.",
	"fleet.reads": "a thousand agents, Redis, the hub, the master and the readers share two cores. The next session resumes from the state that the previous master stored in Redis, so no snapshot is sent; " +
		"clusters start one after the other, and half of the processors are reserved for reads. Before, P99 was 76 ms and more.",
	"fleet.history":               "the garbage collector's headroom grows with the live heap; the figure after the semicolon is the history alone.",
	"fleet.sink":                  "each cluster's labels are kept in memory, and batches until they are sent.",
	"serve.get-300-identity-tail": serveTail,
	"serve.get-300-gzip-tail":     serveTail,
}

const snapshotGrowth = "The facts for kube-state-metrics and kubectl were added at the same time as UIDs; before, the goal was reached. As text in the compressed part UIDs took 24 bytes each, so they are sent outside of it. " +
	"Sending them only to masters that serve PromQL would reach the goal, and was not tried."

const serveTail = "most of it was the garbage collector: with Go's default setting, a master of one cluster with a live heap of seven megabytes collects ten times a second under this load. " +
	"The master does not collect while the heap is below 64 MiB; before, P99 was twice as long. The bare server uses Go's default setting. Client and server share two cores."
