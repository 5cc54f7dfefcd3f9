// Inside the thread that writes shards: building record batches, hashing and writing would keep the main thread from
// feeding the pool.
import { performance } from "node:perf_hooks";
import { type MessagePort, parentPort, threadId, workerData } from "node:worker_threads";
import { ToolkitError, toWire, type WireError } from "../../errors.js";
import { threadCpuMs } from "../../native/index.js";
import type { SidecarBody } from "../../shards/manifest.js";
import { type StorageCounters, storageCounters } from "../../storage/counters.js";
import { storageActivity } from "../../storage/remote/activity.js";
import { closeStorage, configureStorage } from "../../storage/store.js";
import { epochMs } from "../stage-clock.js";
import { ShardSequence } from "./shard-sequence.js";
import type { NumberedRequest, ShardAnswer, ShardRequest, ShardSettings, ShardWork } from "./shard-task.js";

interface Handled {
  readonly sidecars?: Promise<readonly SidecarBody[]>;
  readonly counters?: StorageCounters;
}

class Desk {
  private sequence: ShardSequence | undefined;
  /** The source before: its last shard may still be on its way to the disk while the next source is written. */
  private closing: Promise<unknown> = Promise.resolve();
  private readonly abandoning = new AbortController();

  constructor(private readonly settings: ShardSettings) {}

  /** Ends what is on its way to a service: it is not wanted any more. */
  abandon(reason: ToolkitError): void {
    this.abandoning.abort(reason);
  }

  /** What "end" resolves with may be waited for after later requests. */
  async handle(request: ShardRequest): Promise<Handled> {
    const { sequence } = this;
    switch (request.kind) {
      case "begin":
        this.sequence = new ShardSequence(this.settings, request.source, request.done, this.abandoning.signal);
        return {};
      case "append":
        await sequence?.append(request.group);
        return {};
      case "end": {
        await this.closing;
        const sidecars = Promise.resolve(sequence?.finish()).then(() => sequence?.sidecars ?? []);
        this.closing = sidecars.catch(() => {}); // the request for the end reports it
        this.sequence = undefined;
        return { sidecars };
      }
      case "abort":
        this.sequence = undefined;
        await sequence?.abort();
        await this.closing;
        return {};
      case "close":
        await closeStorage();
        return { counters: storageCounters() };
    }
  }
}

/** What the thread had done by its last answer: publishing a shard continues between requests. */
let told = { loop: performance.eventLoopUtilization(), cpuMs: threadCpuMs() };

/** Begins to time a request; what it returns ends it. */
function timeRequest(): () => ShardWork {
  const began = epochMs();
  return () => {
    const now = { loop: performance.eventLoopUtilization(), cpuMs: threadCpuMs() };
    // The thread's loop is idle while a request waits for the disk or the service.
    const { active } = performance.eventLoopUtilization(now.loop, told.loop);
    const cpuMs = now.cpuMs - told.cpuMs;
    told = now;
    return { thread: threadId, began, ended: epochMs(), cpuMs, busyMs: active, activity: storageActivity() };
  };
}

/**
 * Handles the requests of `port` one after another. After an error every later one but "abort" and "close" is answered
 * with it. So is what comes after "abort": it would begin a shard without what was dropped. What came before it is
 * whole, and continues.
 */
export function serve(port: MessagePort, settings: ShardSettings): void {
  const desk = new Desk(settings);
  let failed: WireError | undefined;
  const fail = (id: number, error: unknown) => {
    failed ??= toWire(error);
    port.postMessage({ id, error: failed } satisfies ShardAnswer);
  };
  /** Why what comes from now on is refused. */
  let dropped: ToolkitError | undefined;
  let turn = Promise.resolve();
  port.on("message", ({ id, request }: NumberedRequest) => {
    const refusal = dropped;
    if (request.kind === "abort") {
      dropped = new ToolkitError("INTERRUPTED", "the shard was given up");
      desk.abandon(dropped); // at once: what is under way may wait for a service that does not answer
    }
    turn = turn.then(async () => {
      const problem = failed ?? refusal;
      if (problem !== undefined && request.kind !== "abort" && request.kind !== "close") return fail(id, problem);
      try {
        const worked = timeRequest();
        const { sidecars, ...rest } = await desk.handle(request);
        const done = worked();
        if (sidecars === undefined) port.postMessage({ id, done, ...rest } satisfies ShardAnswer);
        else
          sidecars.then(
            (list) => port.postMessage({ id, done, sidecars: list } satisfies ShardAnswer),
            (error) => fail(id, error),
          );
      } catch (error) {
        fail(id, error);
      }
    });
  });
}

if (parentPort !== null) {
  const settings = workerData as ShardSettings;
  configureStorage(settings.storage);
  serve(parentPort, settings);
}
