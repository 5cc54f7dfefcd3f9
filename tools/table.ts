// Columns of text.
import { printable } from "../src/printable.js";

/** The first `left` columns and those named are set flush left, numbers flush right. */
export function table(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  left: number,
  alsoLeft: readonly string[] = [],
): string {
  const shown = rows.map((row) => row.map(printable));
  const widths = columns.map((column, i) => Math.max(column.length, ...shown.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => {
        const width = widths[i] as number;
        return i < left || alsoLeft.includes(columns[i] as string) ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd();
  return [columns, ...shown].map(line).join("\n");
}
