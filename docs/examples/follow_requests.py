#!/usr/bin/env python3
"""Watches a cluster with requests (Debian: python3-requests):

    ROLLCALL_URL=https://rollcall.example:8443 ROLLCALL_TOKEN=… follow_requests.py prod-eu
"""

import json
import os
import sys
import time

import requests


def events(url, token, cluster):
    """Yields events without end. After an interruption it resumes from the last event."""
    session = requests.Session()
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    version = "0"
    while True:
        parameters = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
        try:
            with session.get(f"{url}/api/v1/clusters/{cluster}", params=parameters, stream=True, timeout=(5, 300)) as response:
                if response.status_code == 410:  # the resourceVersion is too old: start again
                    version = "0"
                    continue
                response.raise_for_status()
                for line in response.iter_lines(chunk_size=None):
                    event = json.loads(line)
                    version = event.get("resourceVersion", "0")  # an ERROR event has none: start again
                    yield event
        except (requests.RequestException, ValueError) as error:
            print(error, file=sys.stderr)
        time.sleep(1)


if __name__ == "__main__":
    for e in events(os.environ["ROLLCALL_URL"], os.environ.get("ROLLCALL_TOKEN"), sys.argv[1]):
        print(e["type"], e.get("kind", ""), e["object"].get("name", ""), flush=True)
