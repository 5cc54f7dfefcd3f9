// Commands behind servers that never get better, broken off at every phase in every way, from the first request on and
// later.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { brokenNetwork, commands } from "../support/broken-network.js";
import { cert, key } from "../support/certificate.js";
import { dctstream, lastJson } from "../support/command-line.js";
import { sampleEntries } from "../support/dataset.js";
import { tarBytes, temporaryFolder } from "../support/files.js";
import { allCuts, barrenPhases, breaks, PhaseProxy } from "../support/phase-proxy.js";

test("commands end by themselves with an error when every request from some point on is broken off", async (t) => {
  const network = await brokenNetwork(t);
  for (const name of Object.keys(commands))
    for (const phase of barrenPhases)
      for (const how of breaks)
        for (const passed of [0, 1, 4])
          await t.test(`${name}: ${phase} ${how} after ${passed}`, () =>
            network.givesUp(name, passed, { phase, break: how }),
          );
});

test("TLS connections that are broken off at every phase, the handshake included", async (t) => {
  const tar = await tarBytes(sampleEntries(48));
  const server = createServer({ key, cert }, ({ headers }, response) => {
    const [, from = "0", to = ""] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    const bytes = tar.subarray(Number(from), Number(to) + 1);
    const range = `bytes ${from}-${Number(from) + bytes.length - 1}/${tar.length}`;
    response.writeHead(206, { "content-length": bytes.length, "content-range": range, etag: '"1"' }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  t.after(() => server.close());
  const proxy = await PhaseProxy.start(`https://localhost:${(server.address() as AddressInfo).port}`);
  t.after(() => proxy.stop());
  const folder = temporaryFolder(t);
  const authority = path.join(folder, "cert.pem");
  writeFileSync(authority, cert);
  const run = (out: string, ...patience: string[]) =>
    dctstream(
      [
        "preprocess",
        `${proxy.endpoint}/in.tar`,
        "--out",
        path.join(folder, out),
        "--workers",
        "1",
        "--json",
        ...patience,
      ],
      { env: { NODE_EXTRA_CA_CERTS: authority } },
    );
  // Of a tar of one part there are few requests: each run makes some of the cuts.
  const wanted = allCuts.filter(({ phase }) => phase !== "again");
  for (let round = 0; round < wanted.length && new Set(proxy.made).size < wanted.length; round++) {
    proxy.cutMost(wanted);
    const outcome = await run(`out${round}`, "--request-timeout", "1", "--retries", "30");
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.equal(lastJson(outcome).samples, 48);
  }
  assert.deepEqual([...new Set(proxy.made)].sort(), wanted.map(({ phase, break: how }) => `${phase} ${how}`).sort());
  for (const phase of barrenPhases)
    for (const how of breaks) {
      proxy.cutAllAfter(0, { phase, break: how });
      const outcome = await run("never", "--request-timeout", "0.5", "--retries", "3");
      assert.equal(outcome.status, 1, `${phase} ${how}: ${outcome.stderr}`);
      assert.match((lastJson(outcome).error as { code: string }).code, /^(IO_ERROR|ENDPOINT_UNREACHABLE)$/);
    }
});
