#!/usr/bin/env bash
# Tests of faults for longer than in CI: 300 runs of each kind in virtual time, and processes that are killed.
# hack/chaos.sh [RUNS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${1:-300}
hack/need.sh redis-server redis-server
ROLLCALL_KUBE_BINARIES=$(hack/kube-binaries.sh)
export ROLLCALL_KUBE_BINARIES
go test ./test/history -timeout 60m -seeds "$runs" -masters-seeds "$runs"
go test ./test/owner -timeout 20m -count 50
for _ in 1 2 3; do # a run uses up the names of its clusters
	go test ./test/e2e -timeout 30m -count 1 -v -run '^Test(Kills|SeveralMasters|ReadsContinue|RestartedMaster|MasterServesWithoutRedis)'
done
