// Server-sent events (WHATWG HTML, 9.2) by fetch, which unlike EventSource can carry the access token.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** The node sends a comment every 15 s at the least: what is silent for longer is broken, whatever the network says. */
const SILENT_MS = 40_000;
/** A longer event is none of the node's; the connection is begun afresh. */
const MOST_LETTERS = 1_000_000;

/**
 * Reads the stream that `open(lastEventId)` (async, resolves with a Response) answers with and calls `onEvent({id, event, data})`,
 * `data` parsed as JSON, in order. A broken stream is asked for again from the last id on. Resolves once `signal` is
 * aborted or nothing more will come (204); throws the Problem of `open` for a refusal that waiting does not mend.
 * `onState(isConnected)` is told how it stands, each time it is asked for anew.
 */
export async function streamed(open, { lastEventId = null, onEvent, onState = () => {}, signal }) {
  let last = lastEventId;
  let wait = FIRST_WAIT_MS;
  while (!signal?.aborted) {
    try {
      const answer = await open(last);
      if (answer.status === 204) return;
      wait = FIRST_WAIT_MS;
      onState(true);
      for await (const event of eventsOf(watched(answer.body))) {
        if (event.id !== null) last = event.id;
        onEvent(event);
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
      console.info("The stream of events broke and is asked for again:", error);
    }
    if (!signal?.aborted) onState(false);
    await pause(wait, signal);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

/** The events in the bytes of `body`, a ReadableStream. Throws for one that is too long. */
export async function* eventsOf(body) {
  let rest = "";
  let event = fresh();
  for await (const letters of body.pipeThrough(new TextDecoderStream())) {
    rest += letters;
    if (rest.length > MOST_LETTERS) throw new Error("An event without an end came.");
    // A carriage return at the end may be half of a line's end.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line) { take(line, event); continue; }
      if (event.data.length) yield { id: event.id, event: event.name, data: JSON.parse(event.data.join("\n")) };
      event = fresh();
    }
  }
}

function watched(body) {
  let timer = 0;
  const wait = (controller) => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.error(new Error("Nothing came any more.")), SILENT_MS);
  };
  return body.pipeThrough(new TransformStream({
    start: wait,
    transform(bytes, controller) {
      wait(controller);
      controller.enqueue(bytes);
    },
    flush: () => clearTimeout(timer),
  }));
}

const fresh = () => ({ id: null, name: "message", data: [] });

function take(line, event) {
  const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
  if (field === "data") event.data.push(value);
  else if (field === "id") event.id = value;
  else if (field === "event") event.name = value;
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
