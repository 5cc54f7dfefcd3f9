// Checkpoints written beside training: everything is copied at once, and goes out while the next steps are made. One at
// a time.
import type { CheckpointReport } from "../report.js";
import type { NewCheckpoint, RunFolder } from "./run-folder.js";

export class CheckpointWriter {
  private writing: Promise<void> = Promise.resolve();

  /** `savedStep`: the step of the checkpoint that is there already. */
  constructor(
    private readonly folder: RunFolder,
    private savedStep: number,
    private readonly onCheckpoint: ((checkpoint: CheckpointReport) => void) | undefined,
  ) {}

  /**
   * Has the state after a step written, unless it is already. `copy` makes a copy of it; training may continue when the
   * call resolves. What went wrong with the checkpoint before surfaces here.
   */
  async save(step: number, copy: () => Promise<NewCheckpoint>): Promise<void> {
    if (this.savedStep === step) return;
    await this.writing;
    const checkpoint = await copy();
    this.savedStep = step;
    this.writing = this.folder.add(checkpoint).then((url) => this.onCheckpoint?.({ step, checkpoint: url }));
    this.writing.catch(() => {}); // surfaces with the next checkpoint, or when it is settled
  }

  /** Resolves when nothing is being written any more. */
  async settle(): Promise<void> {
    await this.writing;
  }
}
