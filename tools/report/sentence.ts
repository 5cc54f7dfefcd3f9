// A verdict as a page has it: a headline, and what it leaves over.

/** "views bound: 11,972 images/s". */
export const headline = (verdict: string) => verdict.split(/[;,] /)[0] as string;

/** What the headline leaves over, as a sentence. */
export function rest(verdict: string): string {
  const left = verdict.slice(headline(verdict).length).replace(/^[;,] /, "");
  return left === "" ? "" : `${left.slice(0, 1).toUpperCase()}${left.slice(1)}.`;
}
