#!/usr/bin/env bash
# Makes all files of a release: hack/release.sh VERSION [--draft] [--output FOLDER] [--publisher FILE] [--push]
#
# VERSION is the content of the file VERSION. FOLDER (default: bin/release) gets archives of the programs, images, charts,
# manifests, a manifest for krew, an archive for installations without internet, an SBOM, checksums and a statement of
# provenance. The same commit and version of Go give the same bytes; only the provenance has times. Registries and URLs
# come from publisher.yaml. --draft allows uncommitted changes, the section Unreleased of CHANGELOG.md, and a publisher
# in the domain .example.
#
#   hack/release.sh --notice   generates the file NOTICE, after a check of the licences of all dependencies
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=${1:?usage: hack/release.sh VERSION [FLAG…]}
shift
GOFLAGS="-mod=readonly -trimpath" GOWORK=off CGO_ENABLED=0 go -C "$root/hack/release" build -o "$root/bin/tools/release" .
if [[ $version == --notice ]]; then
	exec "$root/bin/tools/release" notice --root "$root" --output "$root"
fi
exec "$root/bin/tools/release" all --root "$root" --version "$version" "$@"
