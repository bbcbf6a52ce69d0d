#!/usr/bin/env bash
# Everything that is checked without running the code.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== %s\n' "$*"; }

step gofmt
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [[ -n $unformatted ]]; then
	echo "run gofmt -w on:" "$unformatted"
	exit 1
fi
step go vet
go vet ./...
step golangci-lint
hack/tool.sh golangci-lint run ./...
step go.mod
go mod tidy -diff
step shellcheck
hack/need.sh shellcheck shellcheck
# shellcheck disable=SC2046 # file names have no spaces
shellcheck $(git ls-files '*.sh') .ci/run
step buf
hack/tool.sh buf lint
step generated files
hack/verify-generated.sh
