#!/usr/bin/env bash
# Runs the micro-benchmarks of all packages COUNT times (default 6) and prints medians and spread. It writes the results
# to bin/bench.txt. To compare two commits, keep that file of the first:  hack/tool.sh benchstat old.txt bin/bench.txt
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p bin
go test -run '^$' -bench . -benchmem -count "${COUNT:-6}" ./api/... ./agent/... ./master/... | tee bin/bench.txt
hack/tool.sh benchstat bin/bench.txt
