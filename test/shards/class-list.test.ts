import assert from "node:assert/strict";
import { test } from "node:test";
import { ClassList, mapClasses, maxClasses } from "../../src/shards/class-list.js";
import type { ClassEntry } from "../../src/shards/manifest.js";
import { rejectsWith } from "../support/errors.js";

const named = (...names: string[]) => new ClassList(names.map((name, index) => ({ index, name })));
const entries = (...list: ClassEntry[]) => new ClassList(list, { source: "list" });
const numbered = (count: number) => new ClassList(Array.from({ length: count }, (_, index) => ({ index })));

const mapped = (from: ClassList, to: ClassList) => {
  const { numbers, lacking, refusal } = mapClasses(from, to);
  return { numbers: numbers && Object.fromEntries(numbers), lacking: Object.fromEntries(lacking), refusal };
};
const same = { numbers: undefined, lacking: {}, refusal: undefined };

test("equal lists keep their numbers, also where two classes have one name", () => {
  assert.deepEqual(mapped(named("cat", "dog"), named("cat", "dog")), same);
  const cranes = named("cat", "crane", "dog", "crane");
  assert.deepEqual(mapped(cranes, cranes), same);
  assert.deepEqual(mapped(entries({ index: 2, name: "dog" }), named("cat", "crane", "dog")), same, "a part of it");
});

test("a part of the list in any order is mapped by name", () => {
  const { numbers, lacking } = mapped(named("dog", "ant"), named("ant", "cat", "dog"));
  assert.deepEqual([numbers, lacking], [{ 0: 2, 1: 0 }, {}]);
  assert.deepEqual(mapClasses(named("dog", "ant"), named("ant", "cat", "dog")).comparison, {
    matched: "names",
    known: 3,
    present: 2,
    renumbered: true,
  });
});

test("a synset counts before a name, and tells apart what has one name", () => {
  const birds = entries(
    { index: 0, synset: "n02012849", name: "crane" },
    { index: 1, synset: "n03126707", name: "crane" },
  );
  const turned = entries(
    { index: 0, synset: "n03126707", name: "crane" },
    { index: 1, synset: "n02012849", name: "a bird" },
  );
  assert.deepEqual(mapped(birds, turned).numbers, { 0: 1, 1: 0 });
  const other = entries({ index: 0, synset: "n00000001", name: "crane" });
  assert.match(
    mapped(entries({ index: 0, synset: "n02012849", name: "crane" }), other).lacking[0] ?? "",
    /n02012849 .*n00000001/,
  );
  const bare = entries({ index: 0, name: "tench" }, { index: 1, name: "jay" });
  const full = entries(
    { index: 0, synset: "n01580077", name: "jay" },
    { index: 1, synset: "n01440764", name: "tench" },
  );
  assert.deepEqual(mapped(bare, full).numbers, { 0: 1, 1: 0 }, "by name where one of the two has no synset");
});

test("what is not in the list is said, with a name that is nearly the same", () => {
  assert.match(mapped(named("zebra"), named("ant")).lacking[0] ?? "", /not a class of/);
  assert.match(
    mapped(named("Ant"), named("ant")).lacking[0] ?? "",
    /"ant" is, but names must agree in every character/,
  );
  assert.match(mapped(named("cafe\u0301"), named("caf\u00e9")).lacking[0] ?? "", /must agree/, "another Unicode form");
  assert.match(mapped(named("x", "crane"), named("crane", "y", "crane", "x")).lacking[1] ?? "", /only synsets/);
  const partly = mapped(entries({ index: 0, name: "dog" }, { index: 1 }), named("ant", "dog"));
  assert.deepEqual([partly.numbers, partly.lacking], [{ 0: 1 }, { 1: "has no name" }]);
});

test("without names only equal numbers of classes go together", () => {
  assert.deepEqual(mapped(numbered(3), numbered(3)), same);
  assert.deepEqual(mapped(numbered(2), named("ant", "dog")), same);
  assert.equal(mapClasses(numbered(2), named("ant", "dog")).comparison.matched, "numbers");
  assert.match(mapped(numbered(2), numbered(3)).refusal ?? "", /2 classes, but 3 in/);
  assert.match(mapped(named("a", "b", "c", "d"), numbered(3)).lacking[3] ?? "", /beyond the 3 classes/);
  assert.deepEqual(mapped(numbered(1), numbered(2)), same, "a network has two outputs at least");
});

test("a list is refused where a number or a synset stands for two classes", async () => {
  await rejectsWith(
    "BAD_CLASSES",
    () => entries({ index: 1, name: "a" }, { index: 1, name: "b" }),
    /number 1 .*\(list\)/,
  );
  const synset = "n01440764";
  await rejectsWith(
    "BAD_CLASSES",
    () => entries({ index: 0, synset }, { index: 7, synset }),
    /n01440764 stands for two/,
  );
});

test("gaps are absurd where nine classes in ten and more than a thousand are missing", () => {
  const at = (...indices: number[]) => new ClassList(indices.map((index) => ({ index }))).stray;
  assert.equal(at(0, 1, 300_000), 300_000);
  assert.equal(at(0, 217, 999), undefined, "a few classes of ImageNet");
  assert.equal(at(0, 1, 1000), 1000);
  assert.equal(at(...Array.from({ length: 500 }, (_, i) => 10 * i)), undefined);
  assert.equal(numbered(maxClasses).stray, undefined, "all are listed");
});
