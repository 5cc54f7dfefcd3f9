// How object storage is reached: options of every command.
import { flag, integers, numbers } from "../../src/options/kinds.js";
import { type Given, optionTable } from "../../src/options/table.js";
import { s3Options } from "../../src/storage/s3/client.js";
import type { StorageOptions } from "../../src/storage/store.js";

export const storageOptions = optionTable({
  s3: { options: s3Options },
  retries: {
    kind: integers(1),
    otherwise: "10",
    describe: "Attempts of a request in a row that may fail",
    group: "Object storage",
  },
  requestTimeout: {
    kind: numbers("a number of seconds from 0.1 to 86400", (value) => value >= 0.1 && value <= 86_400),
    otherwise: "10, 30 and 20",
    describe:
      "Seconds to connect, to the first byte of an answer and between its bytes, after which a request is tried again",
    group: "Object storage",
  },
  allowOutside: {
    kind: flag,
    describe: "Let a manifest name files outside its folder; only for manifests of your own",
    group: "Object storage",
  },
});

/** The library's form: retries and limits hold for all services. */
export function storageOptionsFrom(options: Given<typeof storageOptions>): StorageOptions {
  const { s3, retries, requestTimeout, allowOutside = false } = options;
  const ms = 1000 * (requestTimeout ?? 0);
  const transport = {
    ...(retries === undefined ? {} : { retry: { maxAttempts: retries } }),
    ...(requestTimeout === undefined ? {} : { timeouts: { connectMs: ms, firstByteMs: ms, stallMs: ms } }),
  };
  return { s3: { ...s3, ...transport }, http: transport, allowOutside };
}
