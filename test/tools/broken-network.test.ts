// Commands behind a network that breaks off at every phase: they end by themselves, with the result or with an error.
import { test } from "node:test";
import { brokenNetwork, commands } from "../support/broken-network.js";
import { allCuts } from "../support/phase-proxy.js";

test("commands end by themselves when servers stall, half-close and reset at every phase", async (t) => {
  const network = await brokenNetwork(t);
  for (const name of Object.keys(commands)) {
    await t.test(`${name}, when each happens once`, () => network.recovers(name, allCuts));
    await t.test(`${name}, when it never ends`, () => network.givesUp(name, 2, { phase: "head", break: "stall" }));
  }
});
