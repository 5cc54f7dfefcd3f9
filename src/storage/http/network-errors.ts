// What the network's errors mean for a retry.
import { ToolkitError } from "../../errors.js";
import { TransientError } from "../remote/retry.js";

const connectCodes = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/**
 * Codes of a certificate that cannot be trusted: expired, of another host, signed by nobody we know. Another attempt
 * finds the same.
 */
const isCertificateCode = (code: string) => /CERT|^UNABLE_TO_|^SELF_SIGNED|ISSUER/.test(code);

/** What a transport's error means for a retry; anything that is not a failure of the network stays what it is. */
export function asTransient(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof TransientError || typeof code !== "string") return error;
  if (isCertificateCode(code)) {
    const cure = "check the certificate; NODE_EXTRA_CA_CERTS names further authorities";
    return new ToolkitError("ENDPOINT_UNREACHABLE", `no secure connection: ${message}; ${cure}`, { cause: error });
  }
  if (connectCodes.has(code))
    return new TransientError("connect", `cannot connect: ${message || code}`, { cause: error });
  if (/^(E[A-Z]+|UND_ERR_(SOCKET|RES_CONTENT_LENGTH_MISMATCH|CLOSED|DESTROYED)|HPE_.*)$/.test(code))
    return new TransientError("reset", `the connection broke: ${message || code}`, { cause: error });
  return error;
}
