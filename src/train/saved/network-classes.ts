// The classes of a network's outputs: what a checkpoint keeps of its data set's list, and the list again.
import { ToolkitError } from "../../errors.js";
import { ClassList, isSynset, outputCount } from "../../shards/class-list.js";
import type { CheckpointInfo } from "./checkpoint.js";

/** The part of a checkpoint that defines what the outputs mean. */
export type NetworkClasses = Pick<CheckpointInfo, "classes" | "classNames" | "classList">;

/** What a checkpoint contains about a network that was trained on these classes. */
export function networkClasses(list: ClassList): NetworkClasses {
  const classes = outputCount(list);
  if (!list.isNamed) return { classes };
  const indices = Array.from({ length: classes }, (_, index) => index);
  return {
    classes,
    classNames: indices.map((index) => list.titleOf(index)),
    classList: indices.map((index) => {
      const { index: _, ...identity } = list.at(index) ?? { index };
      return identity;
    }),
  };
}

/**
 * The classes of a network's outputs, by what its checkpoint contains; `source` names it in errors. Checkpoints of
 * earlier versions have one text for each class, a synset, a name or neither. BAD_CHECKPOINT when there are more names
 * than outputs, BAD_CLASSES when a synset is there twice.
 */
export function classesOfNetwork({ classes, classNames, classList }: NetworkClasses, source: string): ClassList {
  const identities = classList ?? (classNames ?? []).map(identityOf);
  if (identities.length > classes)
    throw new ToolkitError("BAD_CHECKPOINT", `${identities.length} class names for ${classes} outputs`, { source });
  const entries = identities.flatMap((identity, index) =>
    identity.name === undefined && identity.synset === undefined ? [] : [{ index, ...identity }],
  );
  return new ClassList(entries, { source, count: classes });
}

function identityOf(title: string, index: number): { readonly synset?: string; readonly name?: string } {
  if (title === `class ${index}`) return {}; // what stands for a class without a name
  return isSynset(title) ? { synset: title } : { name: title };
}
