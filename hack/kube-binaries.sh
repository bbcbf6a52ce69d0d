#!/usr/bin/env bash
# Builds everything a real Kubernetes cluster for tests and demos consists of, once per user, and prints the folder
# that holds the binaries on stdout. Progress goes to stderr. The first run takes some ten minutes on two cores, every
# later one (from any clone) a few milliseconds.
#
#   kube-binaries.sh        kube-apiserver kube-controller-manager kube-scheduler kubectl etcd kwok metrics-server
#   kube-binaries.sh node   kubelet kube-proxy
#
#   kube-binaries.sh sums   writes hack/kube-binaries/kubernetes/node.sum anew, after a change of versions
#
# Two Go modules under hack/kube-binaries/ pin the versions: etcd's, and one for all that is Kubernetes. node.sum has the checksums
# of what only the node's binaries need: were they in go.sum, a change of theirs would have all others built anew. Where KUBEBUILDER_ASSETS has kube-apiserver, etcd and kubectl (see setup-envtest), those three are taken from there.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
modules=$here/kube-binaries
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rollcall/kube
recipe=2 # raise it when the way of building changes, not only the versions
node_recipe=1 # the same for the node's binaries, which are in a folder of their own

kubernetes=$(awk '$1 == "k8s.io/kubernetes" {print $2}' "$modules/kubernetes/go.mod")
kubernetes_version="-X k8s.io/component-base/version.gitVersion=$kubernetes"
node_binaries=(k8s.io/kubernetes/cmd/kubelet k8s.io/kubernetes/cmd/kube-proxy)
control_plane=(kube-controller-manager kube-scheduler)
from_assets=(kube-apiserver kubectl etcd)

say() { printf 'kube-binaries: %s\n' "$*" >&2; }

have_assets() {
	[[ -n ${KUBEBUILDER_ASSETS:-} ]] || return 1
	local binary
	for binary in "${from_assets[@]}"; do
		[[ -x $KUBEBUILDER_ASSETS/$binary ]] || return 1
	done
}

# The key names what is in the folder: another version, another folder; nothing in it is ever replaced.
version_key() {
	local assets=none
	if have_assets; then assets=$KUBEBUILDER_ASSETS; fi
	local digest
	digest=$({ cat "$modules"/*/go.mod "$modules"/*/go.sum; echo "$recipe $assets"; } | sha256sum | cut -c1-12)
	echo "$kubernetes-$(go env GOOS)-$(go env GOARCH)-$digest"
}

node_version_key() {
	local digest
	digest=$({ cat "$modules"/kubernetes/go.mod "$modules"/kubernetes/{go,node}.sum; echo "node $node_recipe"; } | sha256sum | cut -c1-12)
	echo "$kubernetes-$(go env GOOS)-$(go env GOARCH)-node-$digest"
}

# Turns the package names that `go build -v` prints into a line of progress every few seconds.
show_progress() {
	local module=$1 line downloaded=0 compiled=0 began=$SECONDS shown=$SECONDS status
	while true; do
		if IFS= read -r -t 5 line; then
			case $line in
			"go: downloading "*) downloaded=$((downloaded + 1)) ;;
			*[[:space:]]*) printf '%s\n' "$line" >&2 ;; # not a package name: a warning or an error
			*) compiled=$((compiled + 1)) ;;
			esac
		else
			status=$?
			((status > 128)) || break # over 128 the read timed out, else the build has ended
		fi
		if ((SECONDS - shown >= 10)); then
			shown=$SECONDS
			say "$module: $((SECONDS - began)) s, $downloaded modules downloaded, $compiled packages compiled"
		fi
	done
	say "$module: done in $((SECONDS - began)) s"
}

# build MODULE VARIABLE OUTPUT [FLAG…] PACKAGE… builds commands of one module, with the module's version set in VARIABLE.
build() {
	local module=$1 flags=$2 output=$3
	shift 3
	say "$module: building"
	(
		cd "$modules/$module"
		GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 go build -v -trimpath -ldflags "-s -w $flags" -o "$output" "$@"
	) 2>&1 | show_progress "$module"
}

build_all() {
	local bin=$1
	local -a commands=("${control_plane[@]}")
	if have_assets; then
		say "kube-apiserver, kubectl and etcd come from $KUBEBUILDER_ASSETS"
		local binary
		for binary in "${from_assets[@]}"; do ln -s "$KUBEBUILDER_ASSETS/$binary" "$bin/$binary"; done
	else
		commands+=(kube-apiserver kubectl)
		build etcd "" "$bin/etcd" go.etcd.io/etcd/server/v3
	fi
	build kubernetes "$kubernetes_version" "$bin/" \
		"${commands[@]/#/k8s.io/kubernetes/cmd/}" sigs.k8s.io/kwok/cmd/kwok sigs.k8s.io/metrics-server/cmd/metrics-server
}

# With the requirements of the module unchanged, nearly all packages are in Go's build cache after the other binaries.
build_node() {
	local mod=$1/../mod
	merge_sums "$mod"
	build kubernetes "$kubernetes_version" "$1/" -modfile="$mod/go.mod" "${node_binaries[@]}"
	rm -r "$mod"
}

# merge_sums FOLDER makes a go.mod in FOLDER whose go.sum has the checksums of the node's binaries, too.
merge_sums() {
	mkdir -p "$1"
	cp "$modules/kubernetes/go.mod" "$1/go.mod"
	cat "$modules/kubernetes/"{go,node}.sum >"$1/go.sum"
}

write_sums() {
	local mod
	mod=$(mktemp -d)
	: >"$modules/kubernetes/node.sum"
	merge_sums "$mod"
	(cd "$modules/kubernetes" && GOFLAGS=-mod=mod GOWORK=off go list -modfile="$mod/go.mod" -deps "${node_binaries[@]}" >/dev/null)
	LC_ALL=C comm -13 <(LC_ALL=C sort "$modules/kubernetes/go.sum") <(LC_ALL=C sort "$mod/go.sum") >"$modules/kubernetes/node.sum"
	rm -r "$mod"
}

# provide KEY BUILD DURATION prints the folder of that key, in which the function BUILD builds unless it is there.
provide() {
	local folder=$cache/$1 build=$2 duration=$3
	if [[ ! -d $folder/bin ]]; then
		mkdir -p "$cache"
		exec 9>"$cache/lock"
		if ! flock --nonblock 9; then
			say "another build is running, waiting for it"
			flock 9
		fi
	fi
	if [[ ! -d $folder/bin ]]; then
		say "building Kubernetes $kubernetes into $folder (once; $duration)"
		local building=$folder.building
		rm -rf "$building"
		mkdir -p "$building/bin"
		"$build" "$building/bin"
		mv "$building" "$folder"
		say "ready in $SECONDS s"
	fi
	echo "$folder/bin"
}

case ${1:-} in
"") provide "$(version_key)" build_all "some ten minutes on two cores" ;;
node) provide "$(node_version_key)" build_node "a minute, after the other binaries" ;;
sums) write_sums ;;
*)
	echo "usage: kube-binaries.sh [node|sums]" >&2
	exit 2
	;;
esac
