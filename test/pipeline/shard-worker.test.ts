import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import type { ShardAnswer, ShardRequest } from "../../src/pipeline/preprocess/shard-task.js";
import { serve } from "../../src/pipeline/preprocess/shard-worker.js";
import { namesIn, temporaryFolder } from "../support/files.js";

/** A group of one failure, which needs no image to be written. */
const group = {
  outcomes: [{ position: 0, imageBytes: 10, failure: { key: "a", code: "BAD_JPEG", message: "m", source: "s" } }],
  slab: new SharedArrayBuffer(1024),
  overflow: [],
} as const;

/** Sends requests at once and gives the codes of the errors that answer them. */
async function answersTo(folder: string, kinds: readonly ShardRequest[]): Promise<(string | undefined)[]> {
  const { port1, port2 } = new MessageChannel();
  serve(port1, { folder, codec: "none", maxShardBytes: 1000, storage: {} });
  const codes: (string | undefined)[] = [];
  for (const [id, request] of kinds.entries()) port2.postMessage({ id, request });
  for (let answers = 0; answers < kinds.length; answers++) {
    const [answer] = (await once(port2, "message")) as [ShardAnswer];
    codes[answer.id] = "error" in answer ? answer.error.code : undefined;
  }
  port1.close();
  return codes;
}

const [begin, append, end, abort, close]: readonly ShardRequest[] = [
  { kind: "begin", source: 0, done: [] },
  { kind: "append", group: { ...group, overflow: [] } },
  { kind: "end" },
  { kind: "abort" },
  { kind: "close" },
];

test("a source that was given up is never finished, whatever is asked for after; one that was finished before is", async (t) => {
  const [folder, kept] = [temporaryFolder(t), temporaryFolder(t)];
  const requests = [begin, append, abort, append, end, close] as ShardRequest[];
  const refused = await answersTo(folder, requests);
  assert.deepEqual(refused.slice(3, 5), ["INTERRUPTED", "INTERRUPTED"]);
  assert.deepEqual(refused.at(-1), undefined);
  assert.deepEqual(await namesIn(folder), []);
  const whole = temporaryFolder(t);
  const before = await answersTo(whole, [begin, append, end, abort, close] as ShardRequest[]);
  assert.deepEqual(before, [undefined, undefined, undefined, undefined, undefined]);
  assert.deepEqual(await namesIn(whole), ["shard-00000-00000.json"]);
  assert.deepEqual(await answersTo(kept, [begin, append, end, close] as ShardRequest[]), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(await namesIn(kept), ["shard-00000-00000.json"]);
});
