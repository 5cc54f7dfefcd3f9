import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { train } from "../../src/train/trainer.js";
import { Browser } from "../support/browser.js";
import { projectRoot, temporaryFolder } from "../support/files.js";
import { quickRun, twoClasses, twoClassImage } from "../support/two-classes.js";

let browser: Browser;

before(async () => {
  browser = await Browser.start();
});

after(() => browser.close());

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
      const page = await browser.open(`${line.trim()}&backend=cpu`);
      const state = `document.getElementById("state").textContent`;
      await page.until("the picture is classified", `document.body.dataset.done || ${state}.startsWith("failed")`);
      assert.equal(await page.evaluate(state), `${network} on cpu`);
      assert.equal(await page.evaluate(`document.querySelector(".name").textContent`), name);
      await page.close();
      server.kill();
    }
  });
}
