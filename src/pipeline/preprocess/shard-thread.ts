// The main side of the thread that writes shards: hands it what was decided, and waits when it falls behind.
import { Worker } from "node:worker_threads";
import { asToolkitError, fromWire, ToolkitError } from "../../errors.js";
import type { Sidecar, SidecarBody } from "../../shards/manifest.js";
import { absorbCounters } from "../../storage/counters.js";
import { threadEnded } from "../thread-pool.js";
import { within } from "../within.js";
import type { PreprocessClock } from "./preprocess-clock.js";
import type { DecidedGroup, NumberedRequest, ShardAnswer, ShardRequest, ShardSettings } from "./shard-task.js";

/** Requests under way. More would only hold more memory. */
const maxUnanswered = 4;

/** How long dropping the shard in hand may take: a service that does not answer must keep nobody from ending. */
const abortMs = 1000;

type Answered = Exclude<ShardAnswer, { readonly error: unknown }>;

interface Waiting {
  resolve(answer: Answered): void;
  reject(error: ToolkitError): void;
}

export class ShardThread {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  private readonly unanswered: Promise<unknown>[] = [];
  /** The first error of a request that nobody waits for. */
  private failure: ToolkitError | undefined;
  private ended: ToolkitError | undefined;
  private aborting: Promise<void> | undefined;

  constructor(
    settings: ShardSettings,
    private readonly clock: PreprocessClock,
  ) {
    this.worker = new Worker(new URL("./shard-entry.cjs", import.meta.url), { workerData: settings });
    this.worker.on("message", (answer: ShardAnswer) => {
      const waiting = this.waiting.get(answer.id);
      this.waiting.delete(answer.id);
      if (answer.done !== undefined) this.clock.written(answer.done);
      if ("error" in answer) waiting?.reject(fromWire(answer.error));
      else waiting?.resolve(answer);
    });
    this.worker.on("error", (error) => this.end(asToolkitError(error)));
    this.worker.on("exit", (code) => this.end(threadEnded("shard-writing", code)));
  }

  /** Starts a source, after the parts of it that are done. */
  async begin(source: number, done: readonly Sidecar[]): Promise<void> {
    await this.room();
    this.observe(this.request({ kind: "begin", source, done }));
  }

  /**
   * Resolves when there is room for more, not when these are written: `onWritten` is called then, and the group's
   * memory is free. An earlier request's error surfaces here.
   */
  async append(group: DecidedGroup, onWritten: () => void): Promise<void> {
    await this.room();
    if (this.failure !== undefined) throw this.failure; // of an earlier request, or because the shard was given up
    const buffers = group.overflow.filter((buffer) => buffer !== undefined);
    this.observe(this.request({ kind: "append", group }, buffers).finally(onWritten));
  }

  /**
   * Finishes the source. Resolves with its sidecars when they are on disk; nothing waits for that to begin the next
   * source.
   */
  async finish(): Promise<readonly SidecarBody[]> {
    await this.room();
    const { sidecars = [] } = await this.request({ kind: "end" });
    return sidecars;
  }

  /** Drops the shard in hand and ends the thread; no error, whatever state it is in. */
  abort(): Promise<void> {
    this.aborting ??= this.endNow();
    return this.aborting;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.unanswered);
    if (this.ended === undefined) await this.stop();
    await this.terminate();
  }

  private async endNow(): Promise<void> {
    if (this.ended === undefined) await within(abortMs, this.dropAndStop());
    await this.terminate();
  }

  private async dropAndStop(): Promise<void> {
    await this.post({ kind: "abort" }, []).catch(() => {});
    await this.stop();
  }

  /** Ends what the thread has open, and takes over what it counted. */
  private async stop(): Promise<void> {
    // It died: nothing to count.
    const { counters } = await this.post({ kind: "close" }, []).catch((): Answered => ({ id: -1 }));
    if (counters !== undefined) absorbCounters(counters);
  }

  private async terminate(): Promise<void> {
    this.end(new ToolkitError("INTERNAL", "the thread that writes shards was closed"));
    await within(abortMs, this.worker.terminate());
  }

  /** Waits until another request may be sent. */
  private async room(): Promise<void> {
    while (this.unanswered.length >= maxUnanswered) await Promise.race(this.unanswered);
  }

  private request(request: ShardRequest, transfer: readonly ArrayBuffer[] = []): Promise<Answered> {
    const answer = this.post(request, transfer);
    const done: Promise<unknown> = answer.finally(() => {
      this.unanswered.splice(this.unanswered.indexOf(done), 1);
      this.clock.writesLeft(this.unanswered.length);
    });
    done.catch(() => {}); // surfaces where it is waited for
    this.unanswered.push(done);
    this.clock.writesLeft(this.unanswered.length);
    return answer;
  }

  private observe(answer: Promise<Answered>): void {
    answer.catch((error: ToolkitError) => {
      this.failure ??= error;
    });
  }

  private post(request: ShardRequest, transfer: readonly ArrayBuffer[]) {
    return new Promise<Answered>((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended);
      const numbered: NumberedRequest = { id: this.nextId++, request };
      this.waiting.set(numbered.id, { resolve, reject });
      this.worker.postMessage(numbered, transfer as ArrayBuffer[]);
    });
  }

  private end(error: ToolkitError): void {
    this.ended ??= error;
    for (const waiting of this.waiting.values()) waiting.reject(this.ended);
    this.waiting.clear();
  }
}
