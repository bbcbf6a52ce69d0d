#!/usr/bin/env python3
"""Follows a cluster with Python's standard library alone:

    ROLLCALL_URL=https://rollcall.example:8443 ROLLCALL_TOKEN=… follow_stdlib.py prod-eu
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def events(url, token, cluster):
    """Yields events for ever: it goes on where a connection broke."""
    version = "0"
    while True:
        query = urllib.parse.urlencode({"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version})
        request = urllib.request.Request(f"{url}/api/v1/clusters/{cluster}?{query}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            # Bookmarks come at least every few seconds while the cluster reports.
            with urllib.request.urlopen(request, timeout=300) as answer:
                for line in answer:
                    event = json.loads(line)
                    version = event.get("resourceVersion", "0")  # an ERROR has none: begin again
                    yield event
        except urllib.error.HTTPError as error:
            if error.code == 410:  # the version is too old: begin again
                version = "0"
                continue
            print(error.read().decode(), file=sys.stderr)
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)
        time.sleep(1)


if __name__ == "__main__":
    for e in events(os.environ["ROLLCALL_URL"], os.environ.get("ROLLCALL_TOKEN"), sys.argv[1]):
        print(e["type"], e.get("kind", ""), e["object"].get("name", ""), flush=True)
