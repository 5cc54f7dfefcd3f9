// The boxes of an AVIF file that describe how it is to be shown. A decoder always turns the picture by them; here it is
// left as it is stored, and the turn is reported as EXIF has it, as for every other format.

interface Box {
  readonly type: string;
  /** The first byte of the box's contents. */
  readonly start: number;
  readonly end: number;
}

/** Boxes inside of one that are looked at; real files have some dozens. */
const maxBoxes = 4096;
/** Major brands that stand for one picture, and that decoders know. */
const plainBrand = "avif";
/**
 * EXIF orientations by quarter turns anticlockwise, then by what is mirrored after the turn: nothing, top and bottom,
 * left and right.
 */
const exifOrientations = [
  [1, 4, 2],
  [8, 5, 7],
  [3, 2, 4],
  [6, 7, 5],
] as const;

/**
 * A copy that claims to be one plain picture, which its major brand may not do; with `unturned`, its items are no
 * longer turned or mirrored. Boxes that cannot be read are left to the decoder to complain about.
 */
export function plainAvif(bytes: Uint8Array, unturned: boolean): Buffer {
  const file = Buffer.from(bytes);
  file.write(plainBrand, 8, "latin1");
  if (unturned) for (const { at, byteLength } of turnsOf(file)) file.fill(0, at, at + byteLength);
  return file;
}

/** The turn of the primary picture as an EXIF orientation; 0 where the file has none. */
export function avifOrientation(bytes: Uint8Array): number {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const turns = turnsOf(file).filter(({ isPrimary }) => isPrimary);
  if (turns.length === 0) return 0;
  const rotation = turns.find(({ property }) => property.type === "irot");
  const mirror = turns.find(({ property }) => property.type === "imir");
  const quarters = rotation === undefined ? 0 : (file[rotation.property.start] ?? 0) & 3;
  const mirrored = mirror === undefined ? 0 : 1 + ((file[mirror.property.start] ?? 0) & 1);
  return exifOrientations[quarters]?.[mirrored] ?? 0;
}

/** Where an item is given a turn. */
interface Turn {
  readonly property: Box;
  readonly isPrimary: boolean;
  /** The index of the item's property in the file, from 1: number 0 stands for no property. */
  readonly at: number;
  readonly byteLength: number;
}

function turnsOf(file: Buffer): Turn[] {
  const meta = boxesIn(file, 0, file.length).find(({ type }) => type === "meta");
  if (meta === undefined) return [];
  const inMeta = boxesIn(file, meta.start + 4, meta.end);
  const primary = inMeta.find(({ type }) => type === "pitm");
  const properties = inMeta.find(({ type }) => type === "iprp");
  if (primary === undefined || properties === undefined) return [];
  const inProperties = boxesIn(file, properties.start, properties.end);
  const list = inProperties.find(({ type }) => type === "ipco");
  if (list === undefined) return [];
  const known = boxesIn(file, list.start, list.end);
  const primaryId = readNumber(file, primary.start + 4, file[primary.start] === 0 ? 2 : 4);
  return inProperties.filter(({ type }) => type === "ipma").flatMap((box) => turnsIn(file, box, known, primaryId));
}

/**
 * The turns in one box of associations: the box has, per item, its number, how many properties it has, and their
 * numbers.
 */
function turnsIn(file: Buffer, box: Box, properties: readonly Box[], primaryId: number | undefined): Turn[] {
  const idBytes = file[box.start] === 0 ? 2 : 4;
  const byteLength = ((file[box.start + 3] ?? 0) & 1) === 1 ? 2 : 1;
  const items = readNumber(file, box.start + 4, 4) ?? 0;
  const turns: Turn[] = [];
  let at = box.start + 8;
  for (let item = 0; item < items && at + idBytes < box.end; item++) {
    const isPrimary = readNumber(file, at, idBytes) === primaryId;
    const count = file[at + idBytes] ?? 0;
    at += idBytes + 1;
    for (let i = 0; i < count && at + byteLength <= box.end; i++, at += byteLength) {
      const index = (readNumber(file, at, byteLength) ?? 0) & (byteLength === 2 ? 0x7fff : 0x7f);
      const property = properties[index - 1];
      if (property?.type === "irot" || property?.type === "imir") turns.push({ property, isPrimary, at, byteLength });
    }
  }
  return turns;
}

function boxesIn(file: Buffer, from: number, to: number): Box[] {
  const boxes: Box[] = [];
  let at = from;
  while (boxes.length < maxBoxes && at + 8 <= to) {
    const size = file.readUInt32BE(at);
    const isLong = size === 1 && at + 16 <= to;
    const byteLength = isLong ? Number(file.readBigUInt64BE(at + 8)) : size === 0 ? to - at : size;
    const head = isLong ? 16 : 8;
    if (byteLength < head || at + byteLength > to) break;
    boxes.push({ type: file.toString("latin1", at + 4, at + 8), start: at + head, end: at + byteLength });
    at += byteLength;
  }
  return boxes;
}

function readNumber(file: Buffer, at: number, byteLength: number): number | undefined {
  return at + byteLength <= file.length ? file.readUIntBE(at, byteLength) : undefined;
}
