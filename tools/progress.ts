// A progress bar on a terminal, a line now and then elsewhere; always on stderr.
import { Presets, SingleBar } from "cli-progress";
import { printable } from "../src/printable.js";
import type { CommandContext } from "./command.js";

/** Seconds between lines where no bar can be drawn. */
const lineIntervalSeconds = 10;

interface ProgressDisplay {
  update(done: number, total: number, text: string): void;
  stop(): void;
}

/** Runs `work` with a display that ends when the work does, however that is. */
export async function withProgress<T>(
  context: CommandContext,
  label: string,
  work: (progress: Pick<ProgressDisplay, "update">) => Promise<T>,
): Promise<T> {
  const progress = context.interactive ? new Bar(label) : new Lines(label, context.log);
  try {
    return await work(progress);
  } finally {
    progress.stop();
  }
}

class Bar implements ProgressDisplay {
  private readonly bar: SingleBar;
  private started = false;

  constructor(label: string) {
    const format = `${label} {bar} {percentage} % | {text} | {eta_formatted} left`;
    this.bar = new SingleBar(
      { format, hideCursor: true, stream: process.stderr, etaBuffer: 100 },
      Presets.shades_classic,
    );
  }

  update(done: number, total: number, text: string): void {
    if (!this.started) this.bar.start(total, 0, { text: printable(text) });
    this.started = true;
    this.bar.update(done, { text: printable(text) });
  }

  stop(): void {
    if (this.started) this.bar.stop();
  }
}

class Lines implements ProgressDisplay {
  private last = performance.now();
  private readonly started = this.last;

  constructor(
    private readonly label: string,
    private readonly log: (line: string) => void,
  ) {}

  update(done: number, total: number, text: string): void {
    if (performance.now() - this.last < lineIntervalSeconds * 1000) return;
    this.last = performance.now();
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    const left =
      done === 0 ? "" : ` | ${formatSeconds(((this.last - this.started) * (total - done)) / done / 1000)} left`;
    this.log(`${this.label} ${percent} % | ${text}${left}`);
  }

  stop(): void {}
}

/** A duration in the form that the bar has. */
function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)}s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes}m` : `${Math.floor(minutes / 60)}h${minutes % 60}m`;
}
