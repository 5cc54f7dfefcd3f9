import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { resetConnection } from "./fault-proxy.js";

test("a connection is reset, and gone, also while its sending side is being shut down", {
  timeout: 60_000,
}, async (t) => {
  const server = createServer({ allowHalfOpen: true });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const waits: readonly ((then: () => void) => void)[] = [(then) => then(), process.nextTick, setImmediate];
  for (const ends of [false, true])
    for (const wait of waits) {
      const accepted = once(server, "connection");
      const client = connect((server.address() as AddressInfo).port, "127.0.0.1").resume();
      const broken = new Promise((resolve) => client.once("close", resolve)); // `once` would reject at its error
      client.on("error", () => {});
      const [socket] = (await accepted) as [Socket];
      const problems: Error[] = [];
      socket.on("error", (error) => problems.push(error));
      const closed = new Promise((resolve) => socket.once("close", resolve));
      if (ends) socket.end();
      wait(() => resetConnection(socket));
      await Promise.all([closed, broken]);
      assert.deepEqual(problems, []);
    }
});
