// An object that is written in one piece.
import type { ObjectInfo, ObjectWriter } from "./object-store.js";

/** Writes `content` and commits it; aborts the writer when either fails. */
export async function writeWhole(writer: ObjectWriter, content: Uint8Array | string): Promise<ObjectInfo> {
  try {
    await writer.write(typeof content === "string" ? new TextEncoder().encode(content) : content);
    return await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
