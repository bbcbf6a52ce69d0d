#!/usr/bin/env bash
# Makes a draft of the release for one platform from two clones of HEAD, and fails if a file differs or is not what
# SHA256SUMS says. With --empty-cache the second one has an empty build cache of Go, and compiles everything again, which
# takes some minutes. The provenance has times, and is left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for clone in first second; do git clone --quiet . "$work/$clone"; done
release=(--draft --platforms "linux/$(go env GOARCH)" --output)
"$work/first/hack/release.sh" "$(<VERSION)" "${release[@]}" "$work/first.out"
# The program that makes releases is not built again.
if [[ ${1:-} == --empty-cache ]]; then export GOCACHE=$work/cache; fi
"$work/first/bin/tools/release" all --root "$work/second" --version "$(<VERSION)" "${release[@]}" "$work/second.out"
rm "$work"/{first,second}.out/provenance.intoto.json
diff --recursive --brief "$work/first.out" "$work/second.out"
cd "$work/first.out"
sha256sum --check --strict --quiet SHA256SUMS
# The commands of docs/INSTALL.md for the archive without internet.
commands=$(awk '/^## Without internet/ {on = 1} on && /^```$/ {exit} code {print} on && /^```sh$/ {code = 1}' "$work/first/docs/INSTALL.md")
[[ $commands == *sha256sum* ]]
(eval "$commands")
echo "verify-release: $(wc -l <SHA256SUMS) files are the same in two builds"
