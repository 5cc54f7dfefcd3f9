// A web server that gives its files only to who knows a password, and its tars and images only for a signed URL.
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

export interface SignedServer {
  /** The URL of a file or folder, for this user; signed where it takes that. */
  url(user: string, name: string): string;
  /** Everything that a log must not show, in the forms that it could have there. */
  readonly secrets: readonly string[];
  close(): void;
}

const passwords: Readonly<Record<string, string>> = { bob: "hun@ter/2?Zx", eve: "0th%er;Pw#q" };
const needsSignature = (name: string) => /\.(tar|jpg)$/.test(name);
const signature = (user: string) => `c0ffee5ec2e7${user}==`;

/** Serves the files below `folder`. */
export async function startSignedServer(folder: string): Promise<SignedServer> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://server");
    const login = Buffer.from(request.headers.authorization?.replace("Basic ", "") ?? "", "base64").toString();
    const [user = "", ...password] = login.split(":");
    const signed = !needsSignature(url.pathname) || url.searchParams.get("X-Amz-Signature") === signature(user);
    const file = path.join(folder, decodeURIComponent(url.pathname));
    const info = statSync(file, { throwIfNoEntry: false });
    const refuse = (status: number) => response.writeHead(status, { "content-length": 0 }).end();
    if (passwords[user] === undefined || passwords[user] !== password.join(":")) return refuse(401);
    if (!signed) return refuse(403);
    if (info?.isFile() !== true) return refuse(404);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const [start, end] = [Number(from), Math.min(Number(to) + 1, info.size)];
    if (start >= info.size) return refuse(416);
    const range = `bytes ${start}-${end - 1}/${info.size}`;
    const head = { "content-length": end - start, "content-range": range, etag: `"${info.size}-${info.mtimeMs}"` };
    response.writeHead(206, head).end(readFileSync(file).subarray(start, end));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: (user, name) => {
      const query = `?X-Amz-Credential=AKIA${user}KEY&X-Amz-Signature=${encodeURIComponent(signature(user))}&token=${user}t0k3n&part=s3ss10n`;
      const login = `${user}:${encodeURIComponent(passwords[user] ?? "")}`;
      return `http://${login}@127.0.0.1:${port}/${name}${needsSignature(name) ? query : ""}`;
    },
    secrets: Object.entries(passwords).flatMap(([user, password]) =>
      [password, signature(user), `AKIA${user}KEY`, `${user}t0k3n`, "s3ss10n", `${user}:${password}`].flatMap(
        spellings,
      ),
    ),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Plain, percent-encoded in part and throughout, in base64, and as JSON and HTML have it. */
function spellings(secret: string): string[] {
  const bytes = [...Buffer.from(secret)].map((byte) => `%${byte.toString(16)}`).join("");
  const base64 = Buffer.from(secret).toString("base64");
  return [
    secret,
    encodeURIComponent(secret),
    encodeURI(secret),
    bytes,
    base64.replace(/=+$/, ""),
    secret.replaceAll("/", "\\/"),
  ];
}
