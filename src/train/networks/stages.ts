// The compact block notation -> a list of blocks. Pure.

export interface Block {
  /** The paper's name of the block: "2a", "4x", "5c". */
  readonly name: string;
  readonly kind: "projection" | "identity";
  readonly kernel: number;
  readonly stride: number;
  readonly bottleneck: number;
  readonly width: number;
}

const stagePattern = /^(\d+)(x?)\[(\d+),(\d+)\] (.+)$/;
const blockPattern = /^(?:P(\d)\/(\d)|I(\d)(?:x(\d+))?)$/;

/**
 * Parses stages such as `2[64,256] P3/1 I3x2 | 3[128,512] ...`. `names` counts the blocks of each stage over several
 * calls, so that a stage that continues after a concatenation continues its letters.
 */
export function parseStages(notation: string, names: Map<string, number> = new Map()): Block[] {
  return notation.split(" | ").flatMap((stage) => {
    const match = stagePattern.exec(stage);
    if (match === null) throw new SyntaxError(`not a stage: ${stage}`);
    const [, number = "", branch, bottleneck, width, blocks = ""] = match;
    const widths = { bottleneck: Number(bottleneck), width: Number(width) };
    return blocks.split(" ").flatMap((block) => {
      if (block === "-") {
        nextName(number, names);
        return [];
      }
      const parts = blockPattern.exec(block);
      if (parts === null) throw new SyntaxError(`not a block: ${block}`);
      const [, projectionKernel, stride, identityKernel, count = "1"] = parts;
      const projection = projectionKernel !== undefined;
      return Array.from({ length: projection ? 1 : Number(count) }, (): Block => {
        const name = branch === "" ? nextName(number, names) : `${number}${branch}`;
        return {
          name,
          kind: projection ? "projection" : "identity",
          kernel: Number(projectionKernel ?? identityKernel),
          stride: Number(stride ?? 1),
          ...widths,
        };
      });
    });
  });
}

function nextName(stage: string, names: Map<string, number>): string {
  const index = names.get(stage) ?? 0;
  names.set(stage, index + 1);
  return stage + String.fromCharCode("a".charCodeAt(0) + index);
}
