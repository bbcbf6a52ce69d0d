// Watches a cluster as Server-Sent Events. In a browser this is built in:
//   new EventSource("/api/v1/clusters/prod-eu?watch=true").onmessage = (m) => show(JSON.parse(m.data));
// In Node.js:
//   ROLLCALL_URL=https://rollcall.example:8443 ROLLCALL_TOKEN=… node eventsource.mjs prod-eu

async function* messages(address, token) {
  let last = "";
  for (;;) {
    try {
      const headers = { Accept: "text/event-stream" };
      if (token) headers.Authorization = `Bearer ${token}`;
      if (last) headers["Last-Event-ID"] = last;
      const response = await fetch(address, { headers });
      if (!response.ok) throw new Error(await response.text());
      let rest = "";
      for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + text).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const field = (name) => block.split("\n").find((l) => l.startsWith(`${name}: `))?.slice(name.length + 2);
          last = field("id") ?? last;
          const data = field("data"); // a heartbeat has no data
          if (data !== undefined) yield JSON.parse(data);
        }
      }
    } catch (error) {
      console.error(String(error));
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

const address = `${process.env.ROLLCALL_URL}/api/v1/clusters/${process.argv[2]}?watch=true`;
for await (const e of messages(address, process.env.ROLLCALL_TOKEN)) {
  console.log(e.type, e.kind ?? "", e.object.name ?? "");
}
