import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RequestGate } from "../../src/storage/remote/gate.js";

/** The most of `count` requests that were under way at once. */
async function mostActive(gate: RequestGate, count: number): Promise<number> {
  let active = 0;
  let most = 0;
  const request = async () => {
    most = Math.max(most, ++active);
    await sleep(2);
    active--;
  };
  await Promise.all(Array.from({ length: count }, () => gate.run(request)));
  return most;
}

test("requests under way are bounded, fewer after a refusal, and as many again after successes", async () => {
  const gate = new RequestGate(8);
  assert.equal(await mostActive(gate, 30), 8);
  gate.throttled();
  gate.throttled();
  assert.equal(await mostActive(gate, 3), 3);
  for (let i = 0; i < 20; i++) gate.throttled();
  const started: number[] = [];
  await Promise.all(
    Array.from({ length: 3 }, (_, i) =>
      gate.run(async () => {
        started.push(i);
        await sleep(2);
      }),
    ),
  );
  assert.deepEqual(started, [0, 1, 2], "in the order of asking");
  await mostActive(gate, 30);
  assert.equal(await mostActive(gate, 30), 8);
});

test("never fewer than two, so that one that hangs does not stop the rest", async () => {
  const gate = new RequestGate(32);
  for (let i = 0; i < 50; i++) gate.throttled();
  assert.equal(await mostActive(gate, 2), 2);
});

test("who stops waiting leaves the queue, and a failed request gives its place back", async () => {
  const gate = new RequestGate(1);
  const controller = new AbortController();
  const first = gate.run(() => sleep(20));
  const second = gate.run(() => assert.fail("it was not to run"), controller.signal);
  const third = gate.run(() => Promise.reject(new Error("broken")));
  controller.abort(new Error("enough"));
  await assert.rejects(second, /enough/);
  await first;
  await assert.rejects(third, /broken/);
  assert.equal(await gate.run(async () => 7), 7);
});
