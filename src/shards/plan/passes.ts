// The passes of an epoch: a source comes as often as it is repeated, the last time perhaps in part.
import { randomFor, shuffle } from "../random.js";
import { placeOf } from "../search.js";
import type { SourceSpans } from "./spans.js";

interface SpanItem {
  readonly source: number;
  readonly pass: number;
  readonly number: number;
  /** Samples of the span that come, at most: the last span of a partial pass is cut. */
  readonly limit: number;
}

/** One pass over a source, or a part of one: some of its spans, of the last of which only `cut` samples come. */
interface Pass {
  readonly source: number;
  readonly pass: number;
  readonly spans: Uint32Array | undefined;
  readonly cut: number;
  readonly first: number;
  readonly count: number;
}

/**
 * The spans of all passes over all sources, in the order they come. There may be millions: they are numbers, not
 * objects.
 */
export class SpanItems {
  private readonly passes: Pass[] = [];
  private readonly firsts: number[] = [];
  private order: Uint32Array | undefined;
  length = 0;

  constructor(private readonly spans: readonly SourceSpans[]) {}

  /** `chosen`: a part of the source's spans; undefined: all. */
  addPass(source: number, pass: number, chosen?: { readonly spans: Uint32Array; readonly cut: number }): void {
    const count = chosen?.spans.length ?? (this.spans[source] as SourceSpans).count;
    this.firsts.push(this.length);
    const first = this.length;
    this.passes.push({ source, pass, spans: chosen?.spans, cut: chosen?.cut ?? Infinity, first, count });
    this.length += count;
  }

  shuffle(random: Parameters<typeof shuffle>[1]): void {
    const order = new Uint32Array(this.length);
    for (let i = 0; i < order.length; i++) order[i] = i;
    this.order = shuffle(order, random);
  }

  at(i: number): SpanItem {
    const item = this.itemAt(i);
    const pass = this.passAt(item);
    return {
      source: pass.source,
      pass: pass.pass,
      number: spanOf(pass, item),
      limit: limitOf(pass, item),
    };
  }

  /** Samples of the i-th span that come. */
  samplesAt(i: number): number {
    const item = this.itemAt(i);
    const pass = this.passAt(item);
    const { selected } = this.spans[pass.source] as SourceSpans;
    return Math.min(selected[spanOf(pass, item)] as number, limitOf(pass, item));
  }

  /** Bytes of the files that the selected samples of the i-th span were made of. */
  bytesAt(i: number): number {
    const item = this.itemAt(i);
    const pass = this.passAt(item);
    const { selected, sampleBytes } = this.spans[pass.source] as SourceSpans;
    return (selected[spanOf(pass, item)] as number) * sampleBytes;
  }

  private itemAt(i: number): number {
    return this.order === undefined ? i : (this.order[i] as number);
  }

  private passAt(item: number): Pass {
    return this.passes[this.passes.length === 1 ? 0 : placeOf(this.firsts, item)] as Pass;
  }
}

/** The number, in its source, of the span that an item of a pass is. */
function spanOf({ spans, first }: Pass, item: number): number {
  return spans === undefined ? item - first : (spans[item - first] as number);
}

function limitOf({ spans, cut, first, count }: Pass, item: number): number {
  return spans !== undefined && item - first === count - 1 ? cut : Infinity;
}

/** Spans with `wanted` samples together, others in every epoch. */
export function choosePart(
  spans: SourceSpans,
  wanted: number,
  [seed, epoch, source]: readonly [number, number, number],
  shuffled: boolean,
): { readonly spans: Uint32Array; readonly cut: number } {
  const order = shuffle(
    Uint32Array.from({ length: spans.count }, (_, i) => i),
    randomFor(seed, "partial-pass", shuffled ? epoch : 0, source),
  );
  let samples = 0;
  let count = 0;
  let cut = 0;
  while (samples < wanted) {
    const own = spans.selected[order[count++] as number] as number;
    cut = Math.min(own, wanted - samples);
    samples += cut;
  }
  return { spans: order.slice(0, count), cut };
}
