#!/usr/bin/env bash
# Runs the micro-benchmarks of all packages several times and shows medians and spread. Compare two commits by keeping
# what this writes to bin/bench.txt:  hack/tool.sh benchstat old.txt bin/bench.txt
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mkdir -p bin
go test -run '^$' -bench . -benchmem -count "${COUNT:-6}" ./api/... ./agent/... ./master/... | tee bin/bench.txt
hack/tool.sh benchstat bin/bench.txt
