// Memory for the parts of streams, used again by the next stream: fresh pages for every part cost a third of the time
// of reading it.

/** Unused for this long they are let go. */
const keepMs = 2000;

export class PartBuffers {
  private free: Uint8Array[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly byteLength: number) {}

  take(): Uint8Array {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(this.byteLength);
  }

  /** Nobody may look at the buffer any more. */
  giveBack(buffer: Uint8Array): void {
    this.free.push(buffer);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.free = [];
    }, keepMs).unref();
  }
}
