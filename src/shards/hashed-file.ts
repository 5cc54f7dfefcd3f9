// A file in the making whose length and SHA-256 are known when it is whole.
import { createHash } from "node:crypto";
import { writableAt } from "../storage/at.js";
import type { ObjectWriter } from "../storage/object-store.js";
import { joinUrl } from "../storage/url.js";

/** What a manifest says of a file of its folder. */
export interface FileEntry {
  /** Relative to the manifest. */
  readonly name: string;
  readonly byteLength: number;
  readonly sha256: string;
}

export class HashedFile {
  byteLength = 0;
  private readonly hash = createHash("sha256");

  private constructor(
    private readonly name: string,
    private readonly out: ObjectWriter,
  ) {}

  static async open(folder: string, name: string, signal?: AbortSignal): Promise<HashedFile> {
    return new HashedFile(name, await writableAt(joinUrl(folder, name)).create({ signal }));
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.hash.update(bytes);
    this.byteLength += bytes.length;
    await this.out.write(bytes);
  }

  /** Publishes the file under its name. */
  async commit(): Promise<FileEntry> {
    const { byteLength } = await this.out.commit();
    return { name: this.name, byteLength, sha256: this.hash.digest("hex") };
  }

  async abort(): Promise<void> {
    await this.out.abort();
  }
}
