#!/usr/bin/env bash
# Runs a development tool at the version that hack/tools/ pins. The first use builds the tool, once per user.
#
#   hack/tool.sh NAME [ARGUMENT…]      buf, protoc-gen-go, controller-gen, crd-ref-docs, golangci-lint, benchstat, kube-state-metrics, helm
#   hack/tool.sh --path NAME…          builds tools of one module and prints their folder
#
# Tools have separate Go modules, so that their dependencies stay out of the main module.
set -euo pipefail
shopt -s inherit_errexit

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/tools
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rollcall/tools

# module_of NAME prints the module of a tool, and the package to build. As with `go build`, a tool's name is the
# last element of its package's path that is not a major version.
module_of() {
	local module package path
	for module in "$tools"/*/; do
		while read -r package; do
			path=$package
			if [[ ${path##*/} =~ ^v[0-9]+$ ]]; then path=${path%/*}; fi
			if [[ ${path##*/} == "$1" ]]; then
				echo "$module" "$package"
				return
			fi
		done < <(cd "$module" && GOWORK=off go list -f '{{.ImportPath}}' tool)
	done
	echo "tool.sh: no module in $tools has a tool named $1" >&2
	return 1
}

# tool NAME prints the path of a tool, and builds it if it is missing. The folder's name depends on the versions of all
# modules in the build, so that different versions have different folders.
tool() {
	local name=$1 module package digest folder
	read -r module package < <(module_of "$name")
	digest=$(cat "$module"/go.mod "$module"/go.sum | sha256sum | cut -c1-12)
	folder=$cache/$(basename "$module")-$(go env GOOS)-$(go env GOARCH)-$digest
	if [[ ! -x $folder/$name ]]; then
		mkdir -p "$folder"
		(
			flock 9
			[[ ! -x $folder/$name ]] || exit 0
			echo "tool.sh: building $name (once)" >&2
			cd "$module"
			GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 go build -trimpath -o "$folder/.$name.building" "$package" >&2
			mv "$folder/.$name.building" "$folder/$name"
		) 9>"$folder/.lock"
	fi
	echo "$folder/$name"
}

if [[ ${1:-} == --path ]]; then
	shift
	folder=
	for name in "$@"; do
		path=$(tool "$name")
		folder=${path%/*}
	done
	echo "$folder"
else
	name=${1:?usage: hack/tool.sh NAME [ARGUMENT…]}
	shift
	path=$(tool "$name")
	exec "$path" "$@"
fi
