// A client of stompjs over WebSocket whose events are awaited, and lines of JSON for the tests.
import { Client, Versions } from "@stomp/stompjs";
import { WebSocket } from "ws";
import { createInterface } from "node:readline";

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const say = what => console.log(JSON.stringify(what));

/** Waits until the test says to go on. */
export const hear = () => input.next();

/** A queue of things that come, for whoever awaits the next one. */
export class Arrivals {
  #come = [];
  #awaited = [];

  put(thing) {
    const next = this.#awaited.shift();
    if (next) next(thing);
    else this.#come.push(thing);
  }

  next() {
    return this.#come.length > 0 ? Promise.resolve(this.#come.shift()) : new Promise(resolve => this.#awaited.push(resolve));
  }
}

/** Connects. `settings` are stompjs's own, and `socket` those of the WebSocket. */
export async function connect(url, { version = "1.2", socket = {}, ...settings } = {}) {
  const client = new Client({
    stompVersions: new Versions([version]),
    reconnectDelay: 0,
    heartbeatIncoming: 0,
    heartbeatOutgoing: 0,
    webSocketFactory: () => {
      client.socket = new WebSocket(url, [`v${version.replace(".", "")}.stomp`], socket);
      return client.socket;
    },
    ...settings,
  });
  client.connections = new Arrivals();
  client.failures = new Arrivals();
  client.onConnect = frame => client.connections.put(frame);
  client.onStompError = frame => client.failures.put({ error: frame.headers.message });
  client.onWebSocketError = event => client.failures.put({ failed: event.message });
  client.activate();
  const outcome = await Promise.race([client.connections.next().then(connected => ({ connected })), client.failures.next()]);
  client.outcome = outcome.connected ? { connected: outcome.connected.headers } : outcome;
  return client;
}

/** Does something that takes a receipt header, and waits for the receipt. */
export function confirmed(client, act) {
  const receipt = `r-${Math.random()}`;
  return new Promise(resolve => {
    client.watchForReceipt(receipt, resolve);
    act({ receipt });
  });
}

export async function send(client, destination, body, headers = {}) {
  const content = body instanceof Uint8Array ? { binaryBody: body } : { body };
  await confirmed(client, receipt => client.publish({ destination, ...content, headers: { ...headers, ...receipt } }));
}

export async function subscribe(client, destination, headers = {}) {
  const arrivals = new Arrivals();
  await confirmed(client, receipt => {
    arrivals.subscription = client.subscribe(destination, message => arrivals.put(message), { ...headers, ...receipt });
  });
  return arrivals;
}

export const describe = message => ({ body: message.body, headers: message.headers });
