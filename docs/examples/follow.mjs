// Watches a cluster with fetch, in Node.js or a browser:
//   ROLLCALL_URL=https://rollcall.example:8443 ROLLCALL_TOKEN=… node follow.mjs prod-eu

async function* lines(stream) {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

// Yields events without end. After an interruption it resumes from the last event.
async function* events(url, token, cluster) {
  let version = "0";
  for (;;) {
    try {
      const query = new URLSearchParams({ watch: "true", allowWatchBookmarks: "true", resourceVersion: version });
      const response = await fetch(`${url}/api/v1/clusters/${cluster}?${query}`, {
        headers: token ? { Authorization: `Bearer ${token}` } : {},
      });
      if (response.status === 410) {
        version = "0"; // the resourceVersion is too old: start again
        continue;
      }
      if (!response.ok) throw new Error(await response.text());
      for await (const line of lines(response.body)) {
        const event = JSON.parse(line);
        version = event.resourceVersion ?? "0"; // an ERROR event has none: start again
        yield event;
      }
    } catch (error) {
      console.error(String(error));
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

for await (const e of events(process.env.ROLLCALL_URL, process.env.ROLLCALL_TOKEN, process.argv[2])) {
  console.log(e.type, e.kind ?? "", e.object.name ?? "");
}
