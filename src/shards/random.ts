// Seeded randomness keyed by purpose: equal keys give equal streams on every machine, and neighbouring keys share
// nothing.
import { createHash } from "node:crypto";

/** Uniform draws from a stream. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An integer in [0, bound). */
  below(bound: number): number;
}

type Words = readonly [number, number, number, number];

function wordsFor(seed: number, purpose: string, key: readonly (string | number)[]): Words {
  const digest = createHash("sha256")
    .update(JSON.stringify([seed, purpose, ...key]))
    .digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8), digest.readUInt32LE(12)];
}

/** A stream for a purpose, as in `randomFor(seed, "shard-order", epoch)`. */
export function randomFor(seed: number, purpose: string, ...key: readonly (string | number)[]): Random {
  const [a, b, c, d] = wordsFor(seed, purpose, key);
  return xoshiro128(a, b, c, d | 1);
}

/**
 * Streams for many small keys of one purpose, such as the samples of an epoch: hashed once, then mixed with integers.
 */
export function randomFamily(
  seed: number,
  purpose: string,
  ...key: readonly (string | number)[]
): (first: number, second?: number) => Random {
  const words = wordsFor(seed, purpose, key);
  return (first, second = 0) => {
    const a = scramble(words[0] ^ scramble(first ^ words[1]));
    const b = scramble(words[1] ^ scramble(second ^ words[2]) ^ a);
    const c = scramble(words[2] ^ scramble(Math.floor(first / 2 ** 32) ^ words[3]) ^ b);
    return xoshiro128(a, b, c, scramble(words[3] ^ c) | 1);
  };
}

/** The finaliser of MurmurHash3 (Appleby): every bit of the input changes every bit of the result. */
function scramble(word: number): number {
  let x = word | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
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
  // 32 bits: what that favours among n values is less than n / 2^32.
  return { next, below: (bound) => Math.floor((step() / 4294967296) * bound) };
}

/** Fisher-Yates, in place. */
export function shuffle<T>(items: T[], random: Random): T[];
export function shuffle(items: Uint32Array, random: Random): Uint32Array;
export function shuffle<T>(items: T[] | Uint32Array, random: Random): T[] | Uint32Array {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = items[i] as T;
    items[i] = items[j] as T;
    items[j] = held;
  }
  return items;
}
