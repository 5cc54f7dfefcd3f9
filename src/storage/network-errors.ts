// What the network's errors mean for a retry.
import { TransientError } from "./retry.js";

const connectCodes = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** What a transport's error means for a retry; anything that is no failure of the network stays what it is. */
export function asTransient(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof TransientError || typeof code !== "string") return error;
  if (connectCodes.has(code))
    return new TransientError("connect", `cannot connect: ${message || code}`, { cause: error });
  if (/^(E[A-Z]+|UND_ERR_(SOCKET|RES_CONTENT_LENGTH_MISMATCH|CLOSED|DESTROYED)|HPE_.*)$/.test(code))
    return new TransientError("reset", `the connection broke: ${message || code}`, { cause: error });
  return error;
}
