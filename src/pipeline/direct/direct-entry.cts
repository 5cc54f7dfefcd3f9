// What the pool loads in its threads; see preprocess/decode-entry.cts for why it is CommonJS.
import type { DirectTask } from "./direct-task.js" with { "resolution-mode": "import" };

async function work(task: DirectTask): Promise<unknown> {
  const worker = await import("./direct-worker.js");
  return worker.renderFiles(task);
}

export = work;
