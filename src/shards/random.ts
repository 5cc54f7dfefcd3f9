// Seeded randomness keyed by purpose: equal keys give equal streams on every machine, and neighbouring keys share nothing.
import { createHash } from "node:crypto";

/** Uniform draws from a stream. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** An integer in [0, bound). */
  below(bound: number): number;
}

/** A stream for a purpose, as in `randomFor(seed, "shard-order", epoch)`. */
export function randomFor(seed: number, purpose: string, ...key: readonly (string | number)[]): Random {
  const digest = createHash("sha256")
    .update(JSON.stringify([seed, purpose, ...key]))
    .digest();
  return xoshiro128(
    digest.readUInt32LE(0),
    digest.readUInt32LE(4),
    digest.readUInt32LE(8),
    digest.readUInt32LE(12) | 1,
  );
}

const rotate = (x: number, bits: number) => ((x << bits) | (x >>> (32 - bits))) >>> 0;

/** xoshiro128** 1.1 (Blackman and Vigna 2018); the state must not be all zero. */
function xoshiro128(a: number, b: number, c: number, d: number): Random {
  const step = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
  const next = () => ((step() >>> 5) * 67108864 + (step() >>> 6)) / 9007199254740992;
  return { next, below: (bound) => Math.floor(next() * bound) };
}

/** Fisher-Yates, in place. */
export function shuffle<T>(items: T[], random: Random): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}
