// Requests to the server that served this page, and to no other.

import { byId, say } from "./dom.js";

/** Names this page to the server, which leaves out its moves and questions that have newer ones behind them. */
export const client = crypto.randomUUID();

const token = new URLSearchParams(location.search).get("token") ?? "";

/** A path of the server with the token and further query parameters. */
export const address = (path, query = {}) => `${path}?${new URLSearchParams({ ...query, token })}`;

/** What the server refuses: its message is one sentence for the reader. */
export class Refused extends Error {}

/** The server does not answer any more. */
export class Lost extends Error {}

const AWAY =
  "The server does not answer: it was ended, or this machine was asleep. Start avreplay explore again and open the " +
  "address that it prints; add what follows # in the address here to come back to this setting.";

let watching = 0;

const lost = () => {
  say(byId("lost"), AWAY);
  byId("lost").hidden = false;
  if (watching) return;
  watching = setInterval(async () => {
    try {
      const answer = await fetch(address("/api/session"), { cache: "no-store" });
      if (!answer.ok) return;
      clearInterval(watching);
      watching = 0;
      byId("lost").hidden = true;
      window.dispatchEvent(new Event("server-back"));
    } catch {
      // still away
    }
  }, 3000);
};

const reason = async (answer) => {
  try {
    const { error } = await answer.json();
    if (typeof error === "string" && error) return error;
  } catch {
    // not JSON: a proxy, or another server on this port
  }
  return `The server refused this with status ${answer.status}.`;
};

const ask = async (path, query, init) => {
  let answer;
  try {
    answer = await fetch(address(path, query), { cache: "no-store", ...init });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new Lost("");
  }
  if (!answer.ok) throw new Refused(await reason(answer));
  return answer;
};

const json = async (answer) => {
  try {
    return await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new Lost("");
  }
};

const posted = (body, signal) => ({
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
});

/** Why an address gives nothing, in a sentence; empty where it does. */
export const whyNot = async (url) => {
  try {
    const answer = await fetch(url, { headers: { Range: "bytes=0-0" }, cache: "no-store" });
    return answer.ok ? "" : await reason(answer);
  } catch {
    lost();
    return "";
  }
};

export const get = async (path, query, signal) => json(await ask(path, query, { signal }));
export const post = async (path, body, signal) => json(await ask(path, {}, posted(body, signal)));

/**
 * A line of requests of which at most one is on its way: of what is asked meanwhile only the newest goes next.
 * Answers come in the order of the questions, so that none can overwrite a newer one.
 */
export class Latest {
  #busy = false;
  #next = null;

  constructor(send, done, failed) {
    Object.assign(this, { send, done, failed });
  }

  ask(what) {
    this.#next = { what };
    if (!this.#busy) this.#run();
  }

  async #run() {
    this.#busy = true;
    while (this.#next) {
      const { what } = this.#next;
      this.#next = null;
      try {
        this.done(await this.send(what), what, this.#next === null);
      } catch (error) {
        if (error instanceof Lost || error.name === "AbortError") continue;
        if (!(error instanceof Refused)) console.error(error);
        this.failed(error.message, what, this.#next === null);
      }
    }
    this.#busy = false;
  }
}
