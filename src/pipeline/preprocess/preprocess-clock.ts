// The stages of preprocessing: storage, read (tars into samples, on the calling thread), decode, write (record batches
// and their checksums, on a thread of its own), output.
import { storageActivity } from "../../storage/remote/activity.js";
import {
  epochMs,
  PipelineClock,
  type PipelineCounters,
  type Recorder,
  type StageClock,
  type Work,
} from "../stage-clock.js";
import type { ShardWork } from "./shard-task.js";

export class PreprocessClock {
  private readonly clock: PipelineClock;
  private readonly storage: StageClock;
  private readonly read: StageClock;
  private readonly decode: StageClock;
  private readonly write: StageClock;
  private readonly output: StageClock;
  /** What the writing thread's stores did, as it reported last. */
  private outputTally = { busyMs: 0, bytes: 0 };
  /** The time at which reading samples, or waiting for bytes, began. */
  private readSince = 0;
  private waitSince = 0;

  constructor(
    workers: number,
    private readonly recorder: Recorder | undefined,
  ) {
    this.clock = new PipelineClock(recorder);
    this.storage = this.clock.stage("storage", 1);
    this.read = this.clock.stage("read", 1);
    this.decode = this.clock.stage("decode", workers);
    this.write = this.clock.stage("write", 1);
    this.output = this.clock.stage("output", 1);
    this.output.starves(true);
    this.output.follows(() => this.outputTally);
    this.storage.follows(() => ({ busyMs: storageActivity().readingMs }));
    this.writesLeft(0);
  }

  get counters(): PipelineCounters {
    return this.clock.counters;
  }

  /** The first images are decoded. */
  begin(): void {
    this.clock.begin();
  }

  /** Whether more samples are asked for, to be decoded. */
  readsTask(asking: boolean): void {
    const now = epochMs();
    this.decode.starves(asking);
    if (!asking) this.readUntil(now);
    this.readSince = asking ? now : 0;
  }

  /** Whether reading waits for a source's bytes. */
  waitsForBytes(waiting: boolean): void {
    if (waiting === this.waitSince > 0) return;
    const now = epochMs();
    if (waiting) this.readUntil(now);
    else this.recorder?.span("storage", "wait", 0, this.waitSince, now);
    this.waitSince = waiting ? now : 0;
    this.readSince = now;
    this.read.starves(waiting);
  }

  taskSent(): void {
    this.decode.sent();
  }

  taskEnded(work: Work | undefined, samples: number, bytes: number): void {
    this.storage.passed(samples, bytes);
    this.read.passed(samples, bytes);
    this.decode.returned(work, samples, bytes);
  }

  written({ busyMs, activity, ...work }: ShardWork): void {
    this.write.worked(work, 0, 0, busyMs);
    this.outputTally = { busyMs: activity.writingMs, bytes: activity.writtenBytes };
  }

  /** Samples that are written, or noted as failures. */
  stored(samples: number): void {
    this.write.passed(samples, 0);
    this.output.passed(samples, 0);
  }

  /** Requests that the writing thread has not answered. */
  writesLeft(count: number): void {
    this.write.queued(Math.max(0, count - 1));
    this.write.starves(count === 0);
  }

  private readUntil(now: number): void {
    if (this.readSince > 0) this.read.worked({ thread: 0, began: this.readSince, ended: now });
  }
}
