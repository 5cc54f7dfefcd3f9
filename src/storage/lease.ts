// A lock in an object store, which has no locks: an object that its owner writes anew every few seconds. Whoever finds
// one that is not renewed any more takes it over, by creating the next in number. The one thing it needs of the service
// is that of several who create an object only if it is absent, one succeeds; no clocks are compared.
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { ToolkitError } from "../errors.js";
import type { CreateOptions, Lock, ObjectInfo, ObjectWriter } from "./object-store.js";
import { writeWhole } from "./write-whole.js";

const prefix = "dctstream.lock.";
const renewMs = 4000;
/** Not renewed for this long: its owner is dead. */
const expiryMs = 5 * renewMs;
const lookMs = 500;

/** What a lease needs of its store. */
export interface LeaseStore {
  list(
    url: string,
    options: { readonly namePrefix: string; readonly signal?: AbortSignal | undefined },
  ): Promise<ObjectInfo[]>;
  create(url: string, options: CreateOptions): Promise<ObjectWriter>;
  /** Undefined when there is none. */
  readSmall(url: string, signal?: AbortSignal): Promise<string | undefined>;
  remove(url: string): Promise<void>;
}

interface Owner {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** Makes every renewal another object. */
  readonly renewal: number;
}

export class LeaseKeeper {
  private readonly base: string;
  private readonly owner = { id: randomUUID(), host: hostname(), pid: process.pid };
  private renewal = 0;

  constructor(
    private readonly store: LeaseStore,
    private readonly folder: string,
  ) {
    this.base = `${folder.replace(/\/+$/, "")}/${prefix}`;
  }

  /** Undefined when its owner is alive. Waits for the lease of a dead one to expire, unless it died on this machine. */
  async acquire(signal?: AbortSignal): Promise<Lock | undefined> {
    for (;;) {
      const numbers = await this.numbers(signal);
      const latest = numbers.at(-1) ?? 0;
      if (numbers.length > 0 && !(await this.isDead(this.base + latest, signal))) return undefined;
      const mine = this.base + (latest + 1);
      if (!(await this.create(mine, signal))) continue; // somebody was faster: see who
      for (const number of numbers) await this.store.remove(this.base + number);
      return this.hold(mine, this.base + (latest + 2));
    }
  }

  private async numbers(signal?: AbortSignal): Promise<number[]> {
    const found = await this.store.list(this.folder, { namePrefix: prefix, signal });
    const numbers = found.map(({ url }) => Number(url.slice(url.lastIndexOf(prefix) + prefix.length)));
    return numbers.filter(Number.isInteger).sort((a, b) => a - b);
  }

  private async isDead(url: string, signal?: AbortSignal): Promise<boolean> {
    const since = performance.now();
    const first = await this.store.readSmall(url, signal);
    if (first === undefined || diedHere(first)) return true;
    while (performance.now() - since < expiryMs) {
      await sleep(lookMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
      const now = await this.store.readSmall(url, signal);
      if (now !== first) return now === undefined;
    }
    return true;
  }

  private hold(mine: string, next: string): Lock {
    const lost = new AbortController();
    let renewing: Promise<void> = Promise.resolve();
    const renew = async () => {
      if ((await this.store.readSmall(next)) === undefined) await this.write(mine, {});
      else
        lost.abort(
          new ToolkitError("OUTPUT_IN_USE", "another run has taken this output over", { source: this.folder }),
        );
    };
    const timer = setInterval(() => {
      // The service is away: the next turn tries again.
      if (!lost.signal.aborted) renewing = renewing.then(renew).catch(() => {});
    }, renewMs);
    timer.unref();
    const release = async () => {
      clearInterval(timer);
      await renewing;
      await this.store.remove(mine);
    };
    return { lost: lost.signal, release };
  }

  /** Creates the lease; false when somebody else was faster. */
  private async create(url: string, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.write(url, { ifAbsent: true, signal });
      return true;
    } catch (error) {
      if (error instanceof ToolkitError && error.code === "OBJECT_EXISTS") return false;
      throw error;
    }
  }

  private async write(url: string, options: CreateOptions): Promise<void> {
    await writeWhole(await this.store.create(url, options), this.content());
  }

  private content(): string {
    return JSON.stringify({ ...this.owner, renewal: this.renewal++ } satisfies Owner);
  }
}

function diedHere(text: string): boolean {
  try {
    const { host, pid } = JSON.parse(text) as Owner;
    if (host !== hostname()) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
