// A run's progress as one line that is written over on a terminal, and as lines now and then elsewhere.
import { printable } from "../src/printable.js";
import type { CommandContext } from "./command.js";

/** Between two writings of the live line: often enough to follow, seldom enough to cost nothing. */
const liveIntervalMs = 100;

export class ProgressLine {
  private written = 0;
  private live = false;

  constructor(private readonly context: CommandContext) {}

  /** `keep`: also where it is not a terminal. */
  show(text: string, keep: boolean): void {
    if (!this.context.interactive) {
      if (keep) this.context.log(text);
      return;
    }
    const now = performance.now();
    if (now - this.written < liveIntervalMs && !keep) return;
    this.written = now;
    this.live = true;
    const columns = process.stderr.columns ?? 120;
    process.stderr.write(`\r\x1b[2K${printable(text).slice(0, columns - 1)}`);
  }

  /** A line of its own, above the live one. */
  say(text: string): void {
    this.end();
    this.context.log(text);
  }

  /** What stands there stays. */
  end(): void {
    if (this.live) process.stderr.write("\n");
    this.live = false;
  }
}
