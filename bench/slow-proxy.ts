// A proxy that makes a near server look far: so many milliseconds before an answer's first byte, so many bytes a second
// per connection.
//
//   node dist/bench/slow-proxy.js TARGET DELAY_MS BYTES_PER_SECOND     prints its own URL
import { type AddressInfo, connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const [target = "", delayMs = "0", bytesPerSecond = "Infinity"] = process.argv.slice(2);
const { hostname, port } = new URL(target);
const rate = Number(bytesPerSecond);

// On the level of bytes: an answer begins with the first that come after a request has gone out.
const server = createServer({ noDelay: true }, (client) => {
  const upstream = connect({ host: hostname, port: Number(port), noDelay: true });
  let asked = false;
  let credit = 0;
  let last = performance.now();
  client.on("data", (chunk) => {
    asked = true;
    if (!upstream.write(chunk)) client.pause();
  });
  upstream.on("drain", () => client.resume());
  let passing = Promise.resolve();
  const pass = async (chunk: Buffer) => {
    if (asked) {
      asked = false;
      await sleep(Number(delayMs));
      last = performance.now();
      credit = 0;
    }
    // Time lent for what was sent, at most a few milliseconds ahead: timers are no finer.
    credit += chunk.length / rate;
    const ahead = credit - (performance.now() - last) / 1000;
    if (ahead > 0.004) await sleep(ahead * 1000);
    if (!client.destroyed && !client.write(chunk))
      await new Promise((resolve) => client.once("drain", resolve).once("close", resolve));
    upstream.resume();
  };
  upstream.on("data", (chunk) => {
    upstream.pause();
    passing = passing.then(() => pass(chunk));
  });
  client.on("close", () => upstream.destroy()).on("error", () => upstream.destroy());
  // The service may have closed the connection while its last bytes still wait.
  upstream.on("end", () => passing.then(() => client.end())).on("error", () => client.destroy());
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
