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
  const slow = sleep(30).then(() => done++);
  await work.add(Promise.reject(new Error("first")).catch((error) => sleep(5).then(() => Promise.reject(error))));
  await assert.rejects(work.add(slow), /first/);
  await assert.rejects(work.finish(), /first/);
  assert.equal(done, 1);
  await work.settle();
});
