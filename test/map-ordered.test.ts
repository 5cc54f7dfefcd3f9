import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { mapOrdered } from "../src/map-ordered.js";

test("results come in input order with at most `limit` calls in flight", async () => {
  let running = 0;
  let most = 0;
  const work = async (item: number) => {
    most = Math.max(most, ++running);
    await sleep((item * 7) % 5);
    running--;
    return item * 2;
  };
  const results: number[] = [];
  for await (const result of mapOrdered([1, 2, 3, 4, 5, 6, 7], work, { limit: 3 })) results.push(result);
  assert.deepEqual(results, [2, 4, 6, 8, 10, 12, 14]);
  assert.equal(most, 3);
});

test("an error surfaces in its turn, and nothing outlives the loop", async () => {
  let running = 0;
  let failed = () => {};
  const second = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const seen: number[] = [];
  const work = async (item: number, signal: AbortSignal) => {
    running++;
    if (item === 1) await second; // the second fails before the first is done
    if (item > 2) await once(signal, "abort"); // nothing else would end these
    running--;
    if (item !== 2) return item;
    failed();
    throw new Error("two");
  };
  await assert.rejects(async () => {
    for await (const result of mapOrdered([1, 2, 3, 4], work, { limit: 4 })) seen.push(result);
  }, /two/);
  assert.deepEqual([seen, running], [[1], 0]);
});

test("leaving early closes the source; an abort stops the loop with its reason", async () => {
  let closed = false;
  async function* source() {
    try {
      for (let i = 0; ; i++) yield i;
    } finally {
      closed = true;
    }
  }
  for await (const result of mapOrdered(source(), async (i) => i, { limit: 2 })) if (result === 3) break;
  assert.equal(closed, true);
  const controller = new AbortController();
  const reason = new Error("enough");
  await assert.rejects(async () => {
    for await (const result of mapOrdered(source(), async (i) => i, { limit: 2, signal: controller.signal }))
      if (result === 3) controller.abort(reason);
  }, reason);
});

test("results that are ready are not held back by a source that stalls, and are made while others are used", async () => {
  let stalled = false;
  async function* source(signal: AbortSignal) {
    yield* [1, 2, 3];
    stalled = true;
    await once(signal, "abort");
  }
  const seen: number[] = [];
  for await (const result of mapOrdered(source, async (i) => i, { limit: 3 })) {
    seen.push(result);
    for (let turn = 0; result === 1 && turn < 20; turn++) await setImmediate();
    if (result === 1) assert.equal(stalled, false, "one is used, two are ready: no more is asked for");
    if (result === 3) break;
  }
  assert.deepEqual([seen, stalled], [[1, 2, 3], true]);
});

test("a source that never ends its wait does not hold up whoever leaves", async () => {
  async function* source() {
    yield 1;
    await new Promise(() => {});
  }
  for await (const _ of mapOrdered(source(), async (i) => i, { limit: 3 })) break;
});
