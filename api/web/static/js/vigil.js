// Whether a connection is alive, and how long to wait before the next one is tried.

const PING_MS = 1000;
const SILENT_MS = 4000;
const DISCONNECTED_GRACE_MS = 2000;

/** For how long a broken connection is tried again, and the waits between: the first, doubled up to the longest. */
export const RECOVER_MS = 60_000;
export const FIRST_WAIT_MS = 500;
export const LONGEST_WAIT_MS = 4000;

/**
 * Pings `connection` (a Peer or a SocketPublication) every second and calls `broken` whenever it is found silent,
 * failed or closed, until `stop`.
 */
export class Vigil {
  #connection;
  #broken;
  #heard = { bytes: 0, at: performance.now() };
  #ping = setInterval(() => void this.#beat(), PING_MS);
  #grace = 0;
  #isOver = false;

  constructor(connection, broken) {
    this.#connection = connection;
    this.#broken = broken;
    connection.addEventListener("connection", ({ detail }) => this.#ice(detail));
    connection.addEventListener("closed", () => this.#tell());
  }

  stop() {
    this.#isOver = true;
    clearInterval(this.#ping);
    clearTimeout(this.#grace);
  }

  // Browsers take 5 s and more to call a connection disconnected; a ping unanswered tells sooner.
  async #beat() {
    this.#connection.send({ type: "ping" });
    const bytes = await this.#connection.receivedBytes();
    const now = performance.now();
    if (bytes !== this.#heard.bytes) this.#heard = { bytes, at: now };
    else if (now - this.#heard.at > SILENT_MS) this.#tell();
  }

  #ice(state) {
    clearTimeout(this.#grace);
    if (state === "failed") this.#tell();
    if (state === "disconnected") this.#grace = setTimeout(() => this.#tell(), DISCONNECTED_GRACE_MS);
  }

  #tell() {
    if (!this.#isOver) this.#broken();
  }
}

/** A wait that ends early when the browser is online again. */
export class Wait {
  #end = null;

  constructor() {
    addEventListener("online", this.end);
  }

  for(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#end = () => { clearTimeout(timer); resolve(); };
    });
  }

  end = () => this.#end?.();

  /** Ends what waits, and listens no more. */
  stop() {
    removeEventListener("online", this.end);
    this.end();
  }
}
