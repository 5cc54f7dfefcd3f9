// What errors of the operating system and of Node mean in our codes, in one place: whatever the machine refuses, the
// caller learns what and why.
import type { ErrorCode } from "./error-codes.js";

/** What was being done: reading, making or replacing something under a name, or writing bytes to what is open. */
export type Access = "read" | "create" | "write";

/** An error of the machine in our words. */
export interface Meaning {
  readonly code: ErrorCode;
  readonly message: string;
  /** The path that the system names. */
  readonly source: string | undefined;
}

/** Calls that change what is there under a name, and calls that write. */
const creating = new Set(["mkdir", "mkdtemp", "rename", "link", "symlink", "unlink", "rmdir", "rm", "utime", "chmod"]);
const writing = new Set(["write", "writev", "fsync", "fdatasync", "ftruncate"]);

const noSpace = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const noFiles = new Set(["EMFILE", "ENFILE"]);
const missing = new Set(["ENOENT", "ENOTDIR"]);
const denied = new Set(["EACCES", "EPERM"]);
/** Said by Node itself, which has tried nothing then. */
const noMemory = new Set(["ENOMEM", "ERR_WORKER_OUT_OF_MEMORY", "ERR_MEMORY_ALLOCATION_FAILED"]);

/** Node's code for a missing package. For one that is there, it means that the system lets Node open no more files. */
const noPackage = "ERR_MODULE_NOT_FOUND";

/** Advice by the system's code, or by ours for it. */
const cures: Readonly<Record<string, string>> = {
  [noPackage]: "; install it with: node tools/setup.mjs, or, if it is there, allow more open files with ulimit -n",
  TOO_MANY_OPEN_FILES: "; allow more with ulimit -n",
  OUT_OF_SPACE: "; make room there, or choose another place",
};

/** Undefined when it is not an error of the system's. Where `access` is not given, the call that failed decides it. */
export function meaningOf(error: unknown, access?: Access): Meaning | undefined {
  if (!(error instanceof Error)) return undefined;
  const { syscall, message, path } = error as NodeJS.ErrnoException;
  const name = errnoOf(error);
  if (name === undefined) return undefined;
  const code = codeOf(name, access ?? accessOf(syscall));
  return { code, message: message + (cures[name] ?? cures[code] ?? ""), source: path };
}

/** Whether it means that there is nothing under that name. */
export function isMissing(error: unknown): boolean {
  return missing.has((error as NodeJS.ErrnoException).code ?? "");
}

/** Whether the process, or the whole system, has as many files open as it may. */
export function isOutOfFiles(error: unknown): boolean {
  return noFiles.has((error as NodeJS.ErrnoException).code ?? "");
}

/** The system's code, as in "ENOSPC". For a thread that cannot be started it stands in the message alone. */
function errnoOf(error: Error): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ERR_WORKER_INIT_FAILED") return /\bE[A-Z]{3,}\b/.exec(error.message)?.[0] ?? "EAGAIN";
  // For a package's own file Node's loader reports it in words alone.
  if (/: too many open files\.?$/.test(error.message)) return "EMFILE";
  if (error instanceof RangeError && error.message.startsWith("Array buffer allocation failed")) return "ENOMEM";
  if (typeof code !== "string") return undefined;
  return code === noPackage || noMemory.has(code) || /^E[A-Z0-9]{2,}$/.test(code) ? code : undefined;
}

function accessOf(syscall: string | undefined): Access {
  if (syscall !== undefined && writing.has(syscall)) return "write";
  return syscall !== undefined && creating.has(syscall) ? "create" : "read";
}

function codeOf(name: string, access: Access): ErrorCode {
  if (noSpace.has(name)) return "OUT_OF_SPACE";
  if (noFiles.has(name)) return "TOO_MANY_OPEN_FILES";
  if (noMemory.has(name)) return "OUT_OF_MEMORY";
  if (access === "create") return "OUTPUT_NOT_WRITABLE";
  if (access === "write") return name === "EPIPE" ? "OUTPUT_NOT_WRITABLE" : "IO_ERROR";
  if (missing.has(name) || name === noPackage) return "NOT_FOUND";
  return denied.has(name) ? "ACCESS_DENIED" : "IO_ERROR";
}
