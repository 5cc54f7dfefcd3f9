// Pages as a browser shows them: a phone's width and a desk's, light and dark.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Window } from "./browser.js";

interface Seen {
  readonly charts: number;
  /** Pixels that the page is wider than the window. */
  readonly overflow: number;
  readonly background: string;
}

/** Charts that hold something else than one colour. */
const drawn = `[...document.querySelectorAll("canvas")].filter((canvas) => canvas.width > 0 && new Set(new Uint32Array(
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 5).length`;

const seen = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  const { backgroundColor: background } = getComputedStyle(document.body);
  return { charts: document.querySelectorAll("canvas").length, overflow: scrollWidth - clientWidth, background };
})()`;

/** The browser lays the page out and paints it. */
const painted = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))";

/**
 * What a browser makes of a page when all of its charts are drawn. Nothing may be said on its console, nothing else may
 * be asked for.
 */
async function look(browser: Browser, file: string, charts: number, window: Window): Promise<Seen> {
  const { href } = pathToFileURL(file);
  const page = await browser.open(href, window);
  await page.evaluate(painted);
  await page.until(`${charts} charts of ${path.basename(file)} are drawn`, `${drawn} >= ${charts}`);
  const found = await page.evaluate<Seen>(seen);
  assert.deepEqual(page.console, [], "nothing on the console");
  assert.deepEqual(
    page.requests.filter((url) => !url.startsWith("data:")),
    [href],
    "asks for nothing",
  );
  await page.close();
  return found;
}

/** What is written in a page, without its scripts. */
export function pageText(page: string): string {
  return readFileSync(page, "utf8").replace(/<script[\s\S]*?<\/script>/g, "");
}

/** Asks for nothing, draws all of its charts and fits, in every window; light and dark. */
export async function lookAtAll(browser: Browser, page: string, charts: number): Promise<void> {
  assert.doesNotMatch(pageText(page), /https?:\/\//, "asks for nothing");
  const backgrounds = new Set<string>();
  for (const width of [500, 1280])
    for (const dark of [false, true]) {
      const { background, ...found } = await look(browser, page, charts, { width, height: 900, dark });
      assert.deepEqual(found, { charts, overflow: 0 }, `${path.basename(page)}, ${width} px`);
      backgrounds.add(background);
    }
  assert.equal(backgrounds.size, 2, "light and dark");
}
