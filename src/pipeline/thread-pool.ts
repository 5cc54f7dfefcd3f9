// A pool of threads: piscina, with failures that have a code, tasks that can be given up, and an end that comes even
// while a thread is in native code, which nobody can stop.
import { Piscina } from "piscina";
import { asToolkitError, ToolkitError } from "../errors.js";
import { stuckThreads } from "./stuck-threads.js";
import { within } from "./within.js";

export interface ThreadPoolOptions {
  /** What its threads load: a CommonJS file whose export does a task. */
  readonly entry: URL;
  /** What its threads do, as in "a decoding thread". */
  readonly what: string;
  readonly threads: number;
  /** Handed to a thread at a time. Default 1. */
  readonly tasksPerThread?: number;
  readonly workerData?: unknown;
}

/** How long threads may take to end: they do at once unless they are in native code. */
const endMs = 500;

export class ThreadPool {
  private readonly pool: Piscina;
  private readonly waiting = new Set<(reason: unknown) => void>();
  private failure: ToolkitError | undefined;

  /** Throws OUT_OF_MEMORY, TOO_MANY_OPEN_FILES and the like when the system lets the process have no more threads. */
  constructor(private readonly options: ThreadPoolOptions) {
    const { entry, threads, tasksPerThread = 1, workerData } = options;
    try {
      this.pool = new Piscina({
        filename: entry.href,
        minThreads: threads,
        maxThreads: threads,
        concurrentTasksPerWorker: tasksPerThread,
        workerData,
      });
    } catch (error) {
      throw asToolkitError(error);
    }
    // Of a thread that had nothing to do: it could not begin, and the next would not either.
    this.pool.on("error", (error) => this.fail(error));
  }

  /**
   * Has a thread do a task. When `signal` aborts, which as many may listen to as there are tasks, the call ends with
   * its reason at once, though the thread may continue with what it was given. THREAD_ENDED when the thread ends in the
   * middle, and what the task throws.
   */
  async run<Answer>(task: unknown, signal?: AbortSignal): Promise<Answer> {
    signal?.throwIfAborted();
    if (this.failure !== undefined) throw this.failure;
    let giveUp = (_: unknown) => {};
    const given = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    const onAbort = () => giveUp(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.waiting.add(giveUp);
    try {
      const answer = this.pool.run(task).catch((error: unknown) => {
        throw this.explain(error);
      });
      return (await Promise.race([answer, given])) as Answer;
    } finally {
      this.waiting.delete(giveUp);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Ends the threads. One that is in native code is left to end when it comes out of it. */
  async close(): Promise<void> {
    const threads = this.pool.threads.length;
    const ended = this.pool.destroy();
    if (await within(endMs, ended)) return;
    stuckThreads.count += threads;
    const count = () => {
      stuckThreads.count -= threads;
    };
    ended.then(count, count);
  }

  private fail(error: unknown): void {
    this.failure ??= this.explain(error);
    for (const giveUp of this.waiting) giveUp(this.failure);
  }

  private explain(error: unknown): ToolkitError {
    const { message } = error as Error;
    const exit = /^worker exited with code: (-?\d+)$/.exec(message)?.[1];
    if (exit !== undefined) return threadEnded(this.options.what, Number(exit));
    // An error that comes from a thread has lost its code; the system's begin with it.
    const code = /^(E[A-Z0-9]{2,}): /.exec(message)?.[1];
    return asToolkitError(code === undefined ? error : Object.assign(new Error(message), { code }));
  }
}

/** `what`: a thread's work, as in "decoding". */
export function threadEnded(what: string, exitCode: number): ToolkitError {
  return new ToolkitError(
    "THREAD_ENDED",
    `a ${what} thread ended unexpectedly, with exit code ${exitCode}; run the same command again to resume`,
  );
}
