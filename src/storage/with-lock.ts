// Work on a folder that no other process may do at the same time.
import { ToolkitError } from "../errors.js";
import { writableAt } from "./at.js";

export interface LockedWork {
  /** What is claimed. */
  readonly folder: string;
  /** Where the work writes. Default: `folder`. */
  readonly writesTo?: string;
  /** Says so when the folder is in use: what is at work there. */
  readonly what: string;
  /** Names of what the work writes into the folder: what of it is half-written is removed before and after. */
  readonly isOwn: (name: string) => boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs `work` while no other process can claim `folder`, which is made first; the signal it gets also aborts when the
 * claim is lost. OUTPUT_IN_USE when one has.
 */
export async function withLock<T>(
  { folder, writesTo = folder, what, isOwn, signal }: LockedWork,
  work: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  const lock = await writableAt(folder).lock(signal);
  if (lock === undefined) {
    const message = `another ${what} is writing there; wait for it or choose another \`out\``;
    throw new ToolkitError("OUTPUT_IN_USE", message, { source: folder });
  }
  const signals = [signal, lock.lost].filter((each) => each !== undefined);
  try {
    await writableAt(writesTo).sweep(isOwn);
    return await work(signals.length === 0 ? undefined : AbortSignal.any(signals));
  } finally {
    // An upload whose beginning was answered into the void is nobody's to abort but ours; that this fails must not hide
    // how the work ended.
    await writableAt(writesTo)
      .sweep(isOwn)
      .catch(() => {});
    await lock.release();
  }
}
