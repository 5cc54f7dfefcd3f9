// Decodes images of other formats in a process of the calling thread's own: started with the first one, used for all
// that follow, and replaced when an image was too much for it. Decoders run in native code that no thread can stop, so
// a process is what can be ended.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { fromWire, ToolkitError } from "../../errors.js";
import type { DecoderMessage, ForeignImage, ForeignTask, LimitedTask } from "./decode-task.js";
import { decodeLimits } from "./limits.js";

const program = fileURLToPath(new URL("./decoder-process.js", import.meta.url));

/** The part of our environment that a process gets which reads strangers' files: no credentials. */
const environmentNames = ["PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MALLOC_ARENA_MAX"];

/**
 * A decoder that ends without a word is given the same image once more: what ended it may have been no fault of the
 * image.
 */
const attempts = 2;

/** Ended without an answer. */
class DecoderEnded extends Error {}

let decoder: ChildProcess | undefined;
let queue: Promise<unknown> = Promise.resolve();

/**
 * Pixels of an image, one image of this thread at a time. BAD_IMAGE, TOO_MANY_PIXELS, and what starting a process
 * throws.
 */
export function decodeForeign(task: ForeignTask, limits = decodeLimits): Promise<ForeignImage> {
  // A copy: shared memory cannot be sent to a process.
  const message = { task: { ...task, bytes: Buffer.from(task.bytes) }, limits };
  const answer = queue.then(() => decodeNow(message));
  queue = answer.catch(() => {}); // its caller gets the error
  return answer;
}

async function decodeNow(message: LimitedTask): Promise<ForeignImage> {
  for (let attempt = 1; ; attempt++) {
    const child = await runningDecoder();
    try {
      const answer = await ask(child, message);
      if (answer.kind === "ready") throw new ToolkitError("INTERNAL", "the decoder said that it is ready, twice");
      if (answer.last) decoder = undefined;
      if (answer.kind === "image") return answer.image;
      throw fromWire(answer.error);
    } catch (error) {
      if (!(error instanceof DecoderEnded)) throw error;
      decoder = undefined;
      if (attempt === attempts) throw undecoded(message, error.message);
    }
  }
}

function undecoded({ task }: LimitedTask, why: string): ToolkitError {
  return new ToolkitError("BAD_IMAGE", `the format is ${task.format}, but its decoder ${why}`);
}

/** The process, started where there is none. */
async function runningDecoder(): Promise<ChildProcess> {
  if (decoder?.connected === true && decoder.exitCode === null && decoder.signalCode === null) return decoder;
  const child = fork(program, {
    execArgv: [],
    env: Object.fromEntries(environmentNames.map((name) => [name, process.env[name]])),
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  child.on("error", () => {}); // noticed where something is asked of it; between, its end is enough
  decoder = child;
  const answer = await ask(child, undefined).catch((error: unknown) => {
    decoder = undefined;
    if (!(error instanceof DecoderEnded)) throw error;
    throw new ToolkitError("ADDON_MISSING", `the process that decodes images of other formats ${error.message}`);
  });
  if (answer.kind === "ready") return child;
  throw new ToolkitError("INTERNAL", `the decoder began with ${answer.kind}`);
}

/** Sends a task, or nothing, and waits for the next message. The process keeps this one from ending only meanwhile. */
function ask(child: ChildProcess, message: LimitedTask | undefined): Promise<DecoderMessage> {
  return new Promise<DecoderMessage>((resolve, reject) => {
    child.ref();
    child.channel?.ref();
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      child.off("message", onMessage).off("error", onError).off("exit", onExit);
      child.unref();
      child.channel?.unref();
      finish();
    };
    const onMessage = (said: unknown) => settle(() => resolve(said as DecoderMessage)); // by our own program
    const onError = (error: Error) => settle(() => reject(error));
    const onEnd = (how: string) => settle(() => reject(new DecoderEnded(`ended (${how})`)));
    const onExit = (status: number | null, signal: string | null) => onEnd(signal ?? `status ${status}`);
    const { wallMs } = message?.limits ?? decodeLimits;
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      decoder = undefined;
      const why = `gave no answer in ${wallMs / 1000} s`;
      settle(() => reject(message === undefined ? new DecoderEnded(why) : undecoded(message, why)));
    }, wallMs);
    child.on("message", onMessage).on("error", onError).on("exit", onExit);
    if (message !== undefined) child.send(message, (error) => error !== null && onEnd(error.message));
  });
}
