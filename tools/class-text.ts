// How the classes of a data set were matched with those it is scored by, in words.
import type { ClassComparison } from "../src/shards/class-list.js";

/** Nothing where the lists are equal; `known` names whose classes the data set was compared with. */
export function describeClasses(known: string, comparison: ClassComparison): string[] {
  const { matched, known: all, present, renumbered } = comparison;
  if (matched === "numbers")
    return [`classes: matched by number alone, because ${known} or the data set does not name them; ${all} in both`];
  const order = renumbered ? "matched by name: the data set numbers them otherwise" : "";
  const part = present === all ? "" : `the data set has ${present} of the ${all} of ${known}`;
  const said = [order, part].filter((text) => text !== "");
  return said.length === 0 ? [] : [`classes: ${said.join("; ")}`];
}
