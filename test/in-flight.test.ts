import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { InFlight } from "../src/in-flight.js";

test("at most `limit` pieces of work are under way, and all are done at the end", async () => {
  const work = new InFlight(3);
  let running = 0;
  let most = 0;
  let done = 0;
  for (let i = 0; i < 20; i++) {
    most = Math.max(most, ++running);
    await work.add(
      sleep((i * 7) % 5).then(() => {
        running--;
        done++;
      }),
    );
  }
  await work.finish();
  assert.deepEqual([done, running, most], [20, 0, 3]);
});

test("the first failure is thrown at the next turn and at the end, and the rest is waited for", async () => {
  const work = new InFlight(2);
  let done = 0;
  let fail = (_error: Error) => {};
  let finish = () => {};
  const failing = new Promise<void>((_, reject) => {
    fail = reject;
  });
  const slow = new Promise<void>((resolve) => {
    finish = resolve;
  }).then(() => void done++);
  await work.add(failing);
  const added = assert.rejects(work.add(slow), /first/);
  fail(new Error("first"));
  await added;
  const ended = assert.rejects(work.finish(), /first/).then(() => assert.equal(done, 1));
  finish();
  await ended;
  await work.settle();
});
