// What the pool loads in its threads; see preprocess/decode-entry.cts for why it is CommonJS.
import type { ExpandTask, ViewTask } from "./view-task.js" with { "resolution-mode": "import" };

async function work(task: ViewTask | ExpandTask): Promise<unknown> {
  const worker = await import("./view-worker.js");
  return "lengths" in task ? worker.expand(task) : worker.renderViews(task);
}

export = work;
