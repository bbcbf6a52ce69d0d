#!/usr/bin/env bash
# Watches a cluster with curl and prints one event per line:
#   ROLLCALL_URL=https://rollcall.example:8443 ROLLCALL_TOKEN=… follow-curl.sh prod-eu
# After an interruption the watch resumes from the resourceVersion of the last event.
set -uo pipefail

address="${ROLLCALL_URL:?}/api/v1/clusters/${1:?}?watch=true"
version=0
while true; do
	received=
	while IFS= read -r event; do
		received=yes
		printf '%s\n' "$event"
		# An ERROR event has no resourceVersion: start again.
		if [[ $event =~ \"resourceVersion\":\"([^\"]*)\",\"object\" ]]; then version=${BASH_REMATCH[1]}; else version=0; fi
	done < <(curl --silent --show-error --no-buffer --fail --header "Authorization: Bearer ${ROLLCALL_TOKEN:-}" "$address&resourceVersion=$version")
	# No event was received: the resourceVersion is too old, or the master is unavailable.
	if [[ -z $received ]]; then version=0 && sleep 1; fi
done
