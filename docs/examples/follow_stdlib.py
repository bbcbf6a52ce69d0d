#!/usr/bin/env python3
"""Watches a cluster with only the standard library of Python:

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
    """Yields events without end. After an interruption it resumes from the last event."""
    version = "0"
    while True:
        query = urllib.parse.urlencode({"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version})
        request = urllib.request.Request(f"{url}/api/v1/clusters/{cluster}?{query}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            # Bookmarks arrive at least every few seconds while the cluster reports.
            with urllib.request.urlopen(request, timeout=300) as response:
                for line in response:
                    event = json.loads(line)
                    version = event.get("resourceVersion", "0")  # an ERROR event has none: start again
                    yield event
        except urllib.error.HTTPError as error:
            if error.code == 410:  # the resourceVersion is too old: start again
                version = "0"
                continue
            print(error.read().decode(), file=sys.stderr)
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)
        time.sleep(1)


if __name__ == "__main__":
    for e in events(os.environ["ROLLCALL_URL"], os.environ.get("ROLLCALL_TOKEN"), sys.argv[1]):
        print(e["type"], e.get("kind", ""), e["object"].get("name", ""), flush=True)
