#!/usr/bin/env bash
# Runs all checks that do not execute the code: format, linters, generated files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The flags of hack/build.sh, so that dependencies are compiled once for both.
export CGO_ENABLED=0 GOFLAGS=-trimpath

# The programs that are Go modules of their own.
modules=(hack/bench hack/release)

step() { printf '\n== %s\n' "$*"; }

step gofmt
mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.go')
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard '*.sh' .ci/run)
unformatted=$(gofmt -l "${sources[@]}")
if [[ -n $unformatted ]]; then
	echo "lint: run gofmt -w on:" "$unformatted" >&2
	exit 1
fi
step go vet
go vet ./...
step golangci-lint
hack/tool.sh golangci-lint run --allow-serial-runners ./...
for module in "${modules[@]}"; do
	(cd "$module" && go vet ./... && ../tool.sh golangci-lint run --allow-serial-runners ./...)
done
step go.mod
go mod tidy -diff
for module in "${modules[@]}"; do
	go -C "$module" mod tidy -diff
done
step shellcheck
hack/need.sh shellcheck shellcheck
shellcheck "${scripts[@]}"
step buf
hack/tool.sh buf lint
hack/tool.sh buf breaking --against api/wire/wirepb/published.binpb
step page
hack/need.sh npm npm
hack/web.sh lint
hack/web.sh check
step generated files
hack/verify-generated.sh
