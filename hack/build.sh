#!/usr/bin/env bash
# Builds the binaries with the version that git describes: hack/build.sh [DIRECTORY] (default: bin)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

into=${1:-bin}
version=$(git describe --tags --always --dirty)
package=rollcall.dev/rollcall/api/version
CGO_ENABLED=0 go build -trimpath -ldflags "-X $package.stamped=$version -X $package.stampedCommit=$(git rev-parse HEAD)" -o "$into/" ./cmd/...
install -m 755 cmd/kubectl-rollcall/kubectl_complete-rollcall "$into/"
