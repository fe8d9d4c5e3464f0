// What the page asks of the server: /v1/restore, whole or as a stream of events, and /info.

const KEY = "fillmask-key"; // of this tab's session storage

export class Refused extends Error {
  // status 0 where no answer came; after: seconds to wait before asking again, where the server says so.
  constructor(message, { status = 0, request = null, after = null } = {}) {
    super(message);
    this.status = status;
    this.request = request;
    this.after = after;
  }
}

export function keep(key) {
  sessionStorage.setItem(KEY, key);
}

// The restoration of `inputs` with `parameters`; `progress` is called with {done, holes, forward_passes} on the way.
export async function restore(inputs, parameters, { signal, progress }) {
  const answer = await ask("v1/restore", { signal, body: { inputs, parameters, stream: true } });
  if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) return answer.json();
  for await (const { event, data } of events(answer.body)) {
    if (event === "progress") progress(data);
    if (event === "result") return data;
    if (event === "error") throw new Refused(data.error, { status: data.status ?? 500, request: data.request_id });
  }
  throw new Refused("The answer broke off before it was complete.");
}

// The restored document in one of the formats.
export async function edition(inputs, parameters, format) {
  const answer = await ask("v1/restore", { body: { inputs, parameters: { ...parameters, formats: [format] }, stream: false } });
  return (await answer.json()).documents[format];
}

export async function info() {
  return (await ask("info", {})).json();
}

async function ask(path, { body, signal }) {
  const headers = { accept: body?.stream ? "text/event-stream" : "application/json" };
  const key = sessionStorage.getItem(KEY);
  if (key) headers.authorization = `Bearer ${key}`;
  if (body) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, signal, body: body && JSON.stringify(body) });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Refused("The server does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refused(typeof told.error === "string" ? told.error : `The server answered with status ${answer.status}.`, {
    status: answer.status,
    request: told.request_id ?? answer.headers.get("x-request-id"),
    after: Number(answer.headers.get("retry-after")) || null,
  });
}

// The events of a text/event-stream body, their data read as JSON.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += value ?? "";
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      let event = "message";
      const data = [];
      for (const line of block.split(/\r?\n/)) {
        const [, name, content] = /^(\w*): ?(.*)$/s.exec(line) ?? [];
        if (name === "event") event = content;
        if (name === "data") data.push(content);
      }
      if (data.length) yield { event, data: JSON.parse(data.join("\n")) };
    }
    if (done) return;
  }
}
