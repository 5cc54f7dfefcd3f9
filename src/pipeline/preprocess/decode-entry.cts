// What the pool loads in its threads. CommonJS, and the worker proper imported with the first task: ending a thread
// while it loads an ES module by `require`, as the pool would do with one, aborts the whole process (Node 20.20), and
// short runs end threads at once.
import type { DecodeTask } from "./decode-task.js" with { "resolution-mode": "import" };

async function decodeImages(task: DecodeTask): Promise<unknown> {
  const worker = await import("./decode-worker.js");
  return worker.default(task);
}

export = decodeImages;
