// Pages as a browser shows them: a phone's width and a desk's, light and dark.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

interface Seen {
  /** Charts, and those of them that hold something else than one colour. */
  readonly charts: number;
  readonly drawn: number;
  /** Pixels that the page is wider than the window. */
  readonly overflow: number;
  readonly background: string;
  readonly requests: number;
}

const probe = `<script>addEventListener("load", () => setTimeout(() => {
  const canvases = [...document.querySelectorAll("canvas")];
  const drawn = canvases.filter((canvas) => new Set(new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 5);
  const { scrollWidth, clientWidth } = document.documentElement;
  document.body.dataset.seen = JSON.stringify({ charts: canvases.length, drawn: drawn.length, overflow: scrollWidth - clientWidth, background: getComputedStyle(document.body).backgroundColor, requests: performance.getEntriesByType("resource").length });
}, 200))</script>`;

/** What a browser makes of a page. Nothing may be said on its console. */
function look(page: string, width: number, dark: boolean): Seen {
  const file = page.replace(".html", `-${width}-${dark}.html`);
  writeFileSync(file, readFileSync(page, "utf8").replace("</body>", `${probe}</body>`));
  const args = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=3000"];
  const scheme = `--blink-settings=preferredColorScheme=${dark ? 0 : 1}`;
  const done = spawnSync("chromium", [...args, scheme, `--window-size=${width},900`, "--dump-dom", `file://${file}`], {
    encoding: "utf8",
    timeout: 60_000,
    maxBuffer: 1 << 26,
  });
  const said = done.stderr.split("\n").filter((line) => line.includes("CONSOLE"));
  assert.deepEqual(said, [], "nothing on the console");
  const seen = /data-seen="([^"]+)"/.exec(done.stdout)?.[1];
  assert.ok(seen !== undefined, done.stderr);
  return JSON.parse(seen.replaceAll("&quot;", '"')) as Seen;
}

/** What is written in a page, without its scripts. */
export function pageText(page: string): string {
  return readFileSync(page, "utf8").replace(/<script[\s\S]*?<\/script>/g, "");
}

/** Asks for nothing, draws all of its charts and fits, in every window; light and dark. */
export function lookAtAll(page: string, charts: number): void {
  assert.doesNotMatch(pageText(page), /https?:\/\//, "asks for nothing");
  const backgrounds = new Set<string>();
  for (const width of [500, 1280])
    for (const dark of [false, true]) {
      const { background, ...seen } = look(page, width, dark);
      assert.deepEqual(
        seen,
        { charts, drawn: charts, overflow: 0, requests: 0 },
        `${path.basename(page)}, ${width} px`,
      );
      backgrounds.add(background);
    }
  assert.equal(backgrounds.size, 2, "light and dark");
}
