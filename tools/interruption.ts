// Ctrl-C and SIGTERM, and what nobody caught: one signal that ends the work in good order, and an end to the process
// when that takes too long.
import { ToolkitError } from "../src/errors.js";
import { stuckThreads } from "../src/pipeline/stuck-threads.js";
import { within } from "../src/pipeline/within.js";

/** The time for a command to end in good order. */
const graceMs = 1500;

/** The time while there is work that only its saving keeps: less than batch systems wait before they kill. */
const savingGraceMs = 25_000;

/** The time for what is left, threads in native code among it, when everything is done and reported. */
const lastMs = 500;

type Native = typeof import("../src/native/index.js");

export class Interruption {
  private readonly controller = new AbortController();
  private native: Native | undefined;
  private crashed: unknown;
  private readonly crash: Promise<void>;
  private onCrash = (_: Error) => {};

  /** `exitCode`: of a process that has to be ended. */
  constructor(private readonly exitCode: number) {
    this.crash = new Promise((resolve) => {
      this.onCrash = (error) => {
        this.crashed ??= error;
        this.controller.abort(error);
        resolve();
      };
    });
    process.on("SIGINT", this.onSignal).on("SIGTERM", this.onSignal).on("uncaughtException", this.onCrash);
  }

  /** Aborts when the work is to end. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Why, where it was a signal. */
  get reason(): Error | undefined {
    return this.signal.aborted && this.crashed === undefined ? (this.signal.reason as Error) : undefined;
  }

  /** Has the addon see to it that the process ends; before that there is nothing that could keep it. */
  async watch(): Promise<void> {
    const native = await import("../src/native/index.js");
    if (native.watchInterrupts(graceMs, this.exitCode)) this.native = native;
  }

  /** Whether ending at once would lose work that the command saves when it is interrupted. */
  keepWorkSafe(on: boolean): void {
    this.native?.setInterruptGrace(on ? savingGraceMs : graceMs);
  }

  /** The result of `work`; or what nobody caught, after `work` had time to clean up. */
  guard<T>(work: Promise<T>): Promise<T> {
    const crash = this.crash.then(async () => {
      await within(graceMs, work);
      throw this.crashed;
    });
    return Promise.race([work, crash]);
  }

  /** Everything is done: what is left of the process may not keep it. */
  end(code: number): void {
    this.native?.unwatchInterrupts();
    process.off("SIGINT", this.onSignal).off("SIGTERM", this.onSignal).off("uncaughtException", this.onCrash);
    if (this.signal.aborted || stuckThreads.count > 0) this.native?.exitWithin(lastMs, code);
  }

  private readonly onSignal = (name: NodeJS.Signals) => {
    if (this.signal.aborted && this.native === undefined) process.exit(this.exitCode);
    this.controller.abort(new ToolkitError("INTERRUPTED", `interrupted by ${name}`));
  };
}
