#!/usr/bin/env bash
# Builds the binaries, with the version in the file VERSION: hack/build.sh [DIRECTORY] (default: bin)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

into=${1:-bin}
package=rollcall.dev/rollcall/api/version
CGO_ENABLED=0 go build -trimpath -ldflags "-X $package.stamped=$(<VERSION) -X $package.stampedCommit=$(git describe --always --abbrev=40 --exclude='*' --dirty)" -o "$into/" ./cmd/...
