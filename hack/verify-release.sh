#!/usr/bin/env bash
# Makes a draft of the release for one platform from two clones of HEAD, with Go's build cache and with an empty one, and
# fails if a file differs or is not what SHA256SUMS says. The provenance has times, and is left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
release() {
	git clone --quiet . "$work/$1"
	"$work/$1/hack/release.sh" "$(<VERSION)" --draft --platforms "linux/$(go env GOARCH)" --output "$work/$1.out"
}
release first
GOCACHE=$work/cache release second
rm "$work"/{first,second}.out/provenance.intoto.json
diff --recursive --brief "$work/first.out" "$work/second.out"
cd "$work/first.out"
sha256sum --check --strict --quiet SHA256SUMS
echo "verify-release: $(wc -l <SHA256SUMS) files are the same in two builds"
