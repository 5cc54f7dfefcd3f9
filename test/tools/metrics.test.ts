import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, isIPv4 } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { Metrics } from "../../tools/metrics.js";
import { rejectsWith } from "../support/errors.js";

const addresses = Object.values(networkInterfaces()).flatMap((found = []) => found.map(({ address }) => address));
/** Of this machine, as others see it. */
const outside = addresses.filter((address) => isIPv4(address) && !address.startsWith("127."));

async function answers(host: string, url: string): Promise<boolean> {
  const socket = connect({ host, port: Number(new URL(url).port) });
  const answered = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return answered;
}

test("metrics are for this machine alone, unless an address is given", async () => {
  const own = await Metrics.serve(0);
  assert.match(own.url, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  assert.match(await (await fetch(own.url)).text(), /^\n$/, "nothing is watched yet");
  assert.equal((await fetch(new URL("/", own.url))).status, 404);
  for (const address of outside) assert.equal(await answers(address, own.url), false, address);
  await own.close();

  const all = await Metrics.serve(0, "0.0.0.0");
  assert.match(all.url, /^http:\/\/0\.0\.0\.0:\d+\/metrics$/);
  for (const address of ["127.0.0.1", ...outside]) assert.equal(await answers(address, all.url), true, address);
  await all.close();

  for (const host of ["::1", "[::1]"]) {
    if (!addresses.includes("::1")) {
      await rejectsWith("INVALID_OPTION", () => Metrics.serve(0, host), /metricsHost/);
      continue;
    }
    const six = await Metrics.serve(0, host);
    assert.match(six.url, /^http:\/\/\[::1\]:\d+\/metrics$/);
    assert.deepEqual([await answers("::1", six.url), await answers("127.0.0.1", six.url)], [true, false]);
    await six.close();
  }
});

test("a port or an address that cannot be had is wrong usage, which names the option", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  await rejectsWith("INVALID_OPTION", () => Metrics.serve(port), /^INVALID_OPTION: `metricsPort`: .*EADDRINUSE/);
  taken.close();
  for (const host of ["192.0.2.1", ""])
    await rejectsWith("INVALID_OPTION", () => Metrics.serve(0, host), /metricsHost/);
  for (const wrong of [-1, 65_536, 1.5, Number.NaN])
    await rejectsWith("INVALID_OPTION", () => Metrics.serve(wrong), /metricsPort/);
});
