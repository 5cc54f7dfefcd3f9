// The example for the browser, in a browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { train } from "../../src/train/run/trainer.js";
import { Browser } from "./browser.js";
import { projectRoot, temporaryFolder } from "./files.js";
import { quickRun, twoClasses, twoClassImage } from "./two-classes.js";

export function testInBrowser(networks: readonly string[]): void {
  let browser: Browser;

  before(async () => {
    browser = await Browser.start();
  });

  after(() => browser.close());

  for (const network of networks) testNetwork(network, () => browser);
}

function testNetwork(network: string, browser: () => Browser): void {
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
      const page = await browser().open(`${line.trim()}&backend=cpu`);
      const state = `document.getElementById("state").textContent`;
      await page.until("the picture is classified", `document.body.dataset.done || ${state}.startsWith("failed")`);
      assert.equal(await page.evaluate(state), `${network} on cpu`);
      assert.equal(await page.evaluate(`document.querySelector(".name").textContent`), name);
      await page.close();
      server.kill();
    }
  });
}
