// What the pool loads in its threads; see preprocess/decode-entry.cts for why it is CommonJS.
import type { ViewTask } from "./view-task.js" with { "resolution-mode": "import" };

async function renderViews(task: ViewTask): Promise<unknown> {
  const worker = await import("./view-worker.js");
  return worker.default(task);
}

export = renderViews;
