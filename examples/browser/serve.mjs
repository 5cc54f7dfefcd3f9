// Shows a checkpoint in the browser.
//
//   node examples/browser/serve.mjs CHECKPOINT_FOLDER [PICTURE] [port]
//
// With a picture, the page printed opens with it; another can be chosen there.
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const [checkpoint, picture, port = "0"] = process.argv.slice(2);
if (checkpoint === undefined)
  throw new Error("usage: node examples/browser/serve.mjs CHECKPOINT_FOLDER [PICTURE] [port]");

const here = import.meta.dirname;
const tfjs = path.join(
  path.dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs/package.json")),
  "dist",
  "tf.min.js",
);
const files = {
  "/": path.join(here, "index.html"),
  "/main.js": path.join(here, "main.js"),
  "/tfjs.js": tfjs,
  ...(picture === undefined ? {} : { "/picture": picture }),
  ...Object.fromEntries(
    ["checkpoint.json", "model.json", "weights.bin"].map((name) => [
      `/checkpoint/${name}`,
      path.join(checkpoint, name),
    ]),
  ),
};
const types = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json" };

const server = createServer((request, response) => {
  const file = files[new URL(request.url, "http://localhost").pathname];
  if (file === undefined) return response.writeHead(404).end();
  const stream = createReadStream(file);
  stream.on("error", () => response.writeHead(404).end());
  stream.on("open", () =>
    response.writeHead(200, { "content-type": types[path.extname(file)] ?? "application/octet-stream" }),
  );
  stream.pipe(response);
});
server.listen(Number(port), "127.0.0.1", () => {
  const query = picture === undefined ? "" : "?image=/picture";
  console.log(`http://127.0.0.1:${server.address().port}/${query}`);
});
