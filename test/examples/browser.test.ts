import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { train } from "../../src/train/trainer.js";
import { projectRoot, temporaryFolder } from "../support/files.js";
import { quickRun, twoClasses, twoClassImage } from "../support/two-classes.js";

/** The page's document once it has settled. */
function dump(url: string, profile: string): string {
  const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const args = ["--headless", "--no-sandbox", ...quiet, `--user-data-dir=${profile}`, "--virtual-time-budget=100000"];
  const done = spawnSync("chromium", [...args, "--dump-dom", url], { encoding: "utf8", timeout: 60_000 });
  return done.stdout;
}

for (const network of ["late-concat-rfa-thinner", "resnet50-rgb", "dct-frozen"]) {
  test(`${network}: a browser loads the checkpoint and names the picture's class`, async (t) => {
    const folder = temporaryFolder(t);
    const manifest = await twoClasses(folder, 64, "train");
    const out = path.join(folder, "run");
    await train({ manifest, network, out, ...quickRun });
    for (const [i, name] of ["amber", "blue"].entries()) {
      const picture = path.join(folder, `${name}.jpg`);
      writeFileSync(picture, twoClassImage("val", i));
      const server = spawn(process.execPath, [path.join(projectRoot, "examples/browser/serve.mjs"), out, picture]);
      t.after(() => server.kill());
      const [line] = (await once(server.stdout.setEncoding("utf8"), "data")) as [string];
      const page = dump(`${line.trim()}&backend=cpu`, path.join(folder, "profile"));
      assert.match(page, /data-done="true"/, page.slice(-2000));
      assert.equal(/class="name">([^<]*)/.exec(page)?.[1], name);
      server.kill();
    }
  });
}
