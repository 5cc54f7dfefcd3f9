// Gradients over all ranks: packed into few large buffers, each of which is summed as soon as it is full, while the
// backward pass continues.
import { misalignment } from "../../native/index.js";
import type { Collective } from "./collective.js";

/**
 * Bytes of a buffer: large enough for a network's bandwidth, small enough that the first is under way early (Li et al.
 * 2020, PyTorch DDP).
 */
const bufferBytes = 16 << 20;

interface Slice {
  readonly buffer: number;
  readonly values: Float32Array;
}

export class GradientSum {
  private readonly slices: readonly Slice[];
  private readonly buffers: readonly Float32Array[];
  /** Weights whose gradient a buffer still waits for. */
  private readonly missing: number[];
  private readonly weightsIn: readonly number[];
  private running: Promise<void>[] = [];
  private filled = new Set<number>();
  private accumulating = false;

  /**
   * `sizes`: values of every weight, in the order that the forward pass uses them; their gradients come in about the
   * opposite order.
   */
  constructor(
    private readonly collective: Collective,
    sizes: readonly number[],
  ) {
    const groups = grouped(sizes);
    this.buffers = groups.map((group) => alignedArray(group.reduce((sum, i) => sum + aligned(sizes[i] as number), 0)));
    this.weightsIn = groups.map((group) => group.length);
    this.missing = [...this.weightsIn];
    const slices: Slice[] = new Array(sizes.length);
    for (const [buffer, group] of groups.entries()) {
      let offset = 0;
      for (const i of group) {
        const size = sizes[i] as number;
        slices[i] = { buffer, values: (this.buffers[buffer] as Float32Array).subarray(offset, offset + size) };
        offset += aligned(size);
      }
    }
    this.slices = slices;
  }

  has(index: number): boolean {
    return this.filled.has(index);
  }

  /** A weight's gradient of the part at hand; with those of the parts before it, once the last part begins. */
  add(index: number, gradient: Float32Array, last: boolean): void {
    const { buffer, values } = this.slices[index] as Slice;
    this.filled.add(index);
    if (this.accumulating)
      for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) + (gradient[i] as number);
    else values.set(gradient);
    this.missing[buffer] = (this.missing[buffer] as number) - 1;
    if (last) this.start();
  }

  /** Ends a part of a step that others follow. */
  endPart(): void {
    this.accumulating = true;
    this.nextPart();
  }

  /** A rank without samples in a part adds nothing to it. */
  skipPart(last: boolean): void {
    if (!this.accumulating) for (const buffer of this.buffers) buffer.fill(0);
    this.accumulating = true;
    this.missing.fill(0);
    if (last) this.start();
    else this.nextPart();
  }

  /** The sums over all ranks, in the weights' order; valid until the next step's first gradient is added. */
  async finish(): Promise<readonly Float32Array[]> {
    await Promise.all(this.running);
    this.running = [];
    this.accumulating = false;
    this.nextPart();
    return this.slices.map(({ values }) => values);
  }

  private nextPart(): void {
    this.filled = new Set();
    for (const [i, count] of this.weightsIn.entries()) this.missing[i] = count;
  }

  /** Buffers go out in their own order, which is the same on all ranks. */
  private start(): void {
    while (this.running.length < this.buffers.length && this.missing[this.running.length] === 0) {
      const sum = this.collective.sum(this.buffers[this.running.length] as Float32Array);
      sum.catch(() => {}); // surfaces in finish
      this.running.push(sum);
    }
  }
}

/**
 * Values of 64 bytes: TensorFlow takes memory that begins at a multiple of them as it is, and copies everything else.
 */
const alignment = 16;
const aligned = (length: number) => Math.ceil(length / alignment) * alignment;

function alignedArray(length: number): Float32Array {
  const memory = new Float32Array(length + alignment);
  const first = (alignment - misalignment(memory.buffer, 4 * alignment) / 4) % alignment;
  return memory.subarray(first, first + length);
}

/** Indices from the last to the first, cut where a buffer is full. */
function grouped(sizes: readonly number[]): number[][] {
  const groups: number[][] = [];
  let room = 0;
  for (let i = sizes.length - 1; i >= 0; i--) {
    const byteLength = 4 * (sizes[i] as number);
    if (groups.length === 0 || byteLength > room) {
      groups.push([]);
      room = bufferBytes;
    }
    (groups.at(-1) as number[]).push(i);
    room -= byteLength;
  }
  return groups;
}
