#!/usr/bin/env bash
# Follows a cluster with curl, one event a line:
#   ROLLCALL_URL=https://rollcall.example:8443 ROLLCALL_TOKEN=… follow-curl.sh prod-eu
# Behind its resourceVersion each event is where to go on when the connection breaks.
set -uo pipefail

address="${ROLLCALL_URL:?}/api/v1/clusters/${1:?}?watch=true"
version=0
while true; do
	heard=
	while IFS= read -r event; do
		heard=yes
		printf '%s\n' "$event"
		# An ERROR has no version: begin again.
		if [[ $event =~ \"resourceVersion\":\"([^\"]*)\",\"object\" ]]; then version=${BASH_REMATCH[1]}; else version=0; fi
	done < <(curl --silent --show-error --no-buffer --fail --header "Authorization: Bearer ${ROLLCALL_TOKEN:-}" "$address&resourceVersion=$version")
	# Refused at once: the version is too old, or the master is away.
	if [[ -z $heard ]]; then version=0 && sleep 1; fi
done
