// What the tests have stompjs do: node scenarios.mjs NAME URL ARGUMENT...
import { readFileSync } from "node:fs";
import { Arrivals, confirmed, connect, describe, hear, say, send, subscribe } from "./broker.mjs";

const scenarios = {
  async exchange(url, version, destination) {
    const client = await connect(url, { version });
    say({ ...client.outcome, protocol: client.socket.protocol, version: client.connectedVersion });
    const messages = await subscribe(client, destination);

    // stompjs escapes headers in 1.2 only.
    const headers = { colour: "blue", umlaut: "Grüße", ...(version === "1.2" && { lines: "one\ntwo:x", path: "C:\\dir" }) };
    await send(client, destination, "Grüße, 世界 🌾", { "content-type": "text/plain", priority: "7", ...headers });
    say({ message: describe(await messages.next()), sent: headers });

    const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => (index * 7) % 256);
    await send(client, destination, bytes);
    say({ same: Buffer.compare(Buffer.from((await messages.next()).binaryBody), Buffer.from(bytes)) === 0 });
    await client.deactivate();
    say({ ended: true });
  },

  async acknowledge(url, version, destination) {
    const client = await connect(url, { version });
    const messages = await subscribe(client, destination, { ack: "client-individual" });
    for (const body of ["a", "b", "c"]) await send(client, destination, body);
    const [a, b, c] = [await messages.next(), await messages.next(), await messages.next()];
    await confirmed(client, receipt => b.ack(receipt));
    if (version !== "1.0") {
      await confirmed(client, receipt => a.nack(receipt));
      say({ again: describe(await messages.next()), first: describe(a) });
    }
    const other = await connect(url, { version });
    const rest = await subscribe(other, destination);
    client.forceDisconnect();
    const came = [await rest.next(), await rest.next()];
    await send(other, destination, "end");
    say({ came: came.map(describe), last: describe(await rest.next()) });
    await other.deactivate();
  },

  async transactions(url, version, destination, results) {
    const client = await connect(url, { version });
    const [jobs, came] = [await subscribe(client, destination, { ack: "client-individual" }), await subscribe(client, results)];
    await send(client, destination, "job");
    const job = await jobs.next();
    for (const end of ["abort", "commit"]) {
      const transaction = client.begin();
      client.publish({ destination: results, body: end, headers: { transaction: transaction.id } });
      job.ack({ transaction: transaction.id });
      transaction[end]();
      await send(client, results, "marker");
      const seen = [];
      while (!seen.includes("marker")) seen.push((await came.next()).body);
      say({ [end]: seen });
    }
    await confirmed(client, receipt => jobs.subscription.unsubscribe(receipt));
    const left = await subscribe(client, destination);
    await send(client, destination, "end");
    say({ left: (await left.next()).body });
    await client.deactivate();
  },

  async beat(url, version, destination) {
    const beats = new Arrivals();
    const client = await connect(url, {
      version,
      heartbeatIncoming: 300,
      heartbeatOutgoing: 300,
      debug: text => text === "<<< PONG" && beats.put(text),
    });
    const began = performance.now();
    for (let count = 0; count < 5 || performance.now() - began < 2500; count++) await beats.next();
    const messages = await subscribe(client, destination);
    await send(client, destination, "alive");
    say({ agreed: client.outcome.connected["heart-beat"], body: (await messages.next()).body });
    await client.deactivate();
  },

  async reconnect(url, destination) {
    const messages = new Arrivals();
    const client = await connect(url, { reconnectDelay: 200 });
    const listen = () => confirmed(client, receipt => client.subscribe(destination, message => messages.put(message), { ack: "client-individual", ...receipt }));
    await listen();
    await send(client, destination, "kept");
    say({ held: describe(await messages.next()) });
    await client.connections.next();
    await listen();
    const again = await messages.next();
    await confirmed(client, receipt => again.ack(receipt));
    say({ again: describe(again) });
    await client.deactivate();
  },

  async origin(url, origin) {
    const client = await connect(url, { socket: origin ? { origin } : {} });
    say({ connected: "connected" in client.outcome, failed: client.outcome.failed ?? null });
    await client.deactivate();
  },

  async login(url, authority, login, passcode, destination) {
    const client = await connect(url, { socket: { ca: readFileSync(authority) }, connectHeaders: { login, passcode } });
    say(client.outcome);
    if (client.outcome.connected) {
      const messages = await subscribe(client, destination);
      await send(client, destination, "secret");
      say({ body: (await messages.next()).body });
    }
    await client.deactivate();
  },
};

const [name, ...rest] = process.argv.slice(2);
await scenarios[name](...rest);
process.exit(0);
