// How long this thread's stores were at work: the time in which at least one read, or one write, was under way.

export interface StorageActivity {
  readonly readingMs: number;
  readonly writingMs: number;
  readonly writtenBytes: number;
}

class Busy {
  private active = 0;
  private since = 0;
  private sum = 0;

  begin(): void {
    if (this.active++ === 0) this.since = performance.now();
  }

  end(): void {
    if (--this.active === 0) this.sum += performance.now() - this.since;
  }

  get ms(): number {
    return this.active === 0 ? this.sum : this.sum + performance.now() - this.since;
  }
}

const reads = new Busy();
const writes = new Busy();
let writtenBytes = 0;

export async function reading<T>(work: () => Promise<T>): Promise<T> {
  reads.begin();
  try {
    return await work();
  } finally {
    reads.end();
  }
}

/** `byteLength`: what it writes. */
export async function writing<T>(byteLength: number, work: () => Promise<T>): Promise<T> {
  writes.begin();
  try {
    return await work();
  } finally {
    writes.end();
    writtenBytes += byteLength;
  }
}

/** So far. */
export function storageActivity(): StorageActivity {
  return { readingMs: reads.ms, writingMs: writes.ms, writtenBytes };
}
