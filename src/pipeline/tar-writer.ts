// Entries -> a tar object, published whole or not at all. The same entries give the same bytes.
import { pack } from "tar-stream";
import { writableAt } from "../storage/at.js";
import type { ObjectWriter } from "../storage/object-store.js";

export class TarWriter {
  private readonly tar = pack();
  private readonly copying: Promise<void>;
  /** Why nothing can be written any more: the tar's stream only knows that it was destroyed. */
  private failure: { readonly error: unknown } | undefined;
  private giveUp: (error: unknown) => void = () => {};

  private constructor(private readonly out: ObjectWriter) {
    this.copying = this.copy();
    this.copying.catch((error) => this.giveUp(error)); // surfaces in the entry at hand, or the next, or in commit
  }

  static async open(url: string): Promise<TarWriter> {
    return new TarWriter(await writableAt(url).create());
  }

  /** Resolves when the entry has been taken over by the tar's stream. */
  entry(name: string, content: Uint8Array | string): Promise<void> {
    const bytes =
      typeof content === "string"
        ? Buffer.from(content)
        : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure.error);
      this.giveUp = reject;
      this.tar.entry({ name, mtime: new Date(0) }, bytes, (error) =>
        error ? reject(this.failure?.error ?? error) : resolve(),
      );
    });
  }

  async commit(): Promise<void> {
    this.tar.finalize();
    await this.copying;
    await this.out.commit();
  }

  async abort(): Promise<void> {
    this.tar.destroy();
    await this.copying.catch(() => {}); // the error that led here is already on its way
    await this.out.abort();
  }

  private async copy(): Promise<void> {
    for await (const chunk of this.tar as AsyncIterable<Uint8Array>) {
      await this.out.write(chunk).catch((error: unknown) => {
        this.failure = { error };
        throw error;
      });
    }
  }
}
