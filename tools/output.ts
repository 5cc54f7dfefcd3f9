// stdout as commands write to it: what cannot be written is an error with a code, and a reader that has seen enough
// ends nothing by itself.
import { systemError, ToolkitError } from "../src/errors.js";

export class Output {
  private failure: NodeJS.ErrnoException | undefined;

  constructor(private readonly stream: NodeJS.WriteStream) {
    stream.on("error", (error) => {
      this.failure ??= error;
    });
  }

  /**
   * Writes what a command prints at its end. Where the reader of the output has left (head, a pager), the work is done
   * all the same. Throws OUT_OF_SPACE, IO_ERROR.
   */
  async finish(text: string): Promise<void> {
    await this.write(text);
    this.check();
  }

  /**
   * Writes one of many results; resolves when there is room for more. OUTPUT_NOT_WRITABLE when nobody reads them any
   * more.
   */
  async print(text: string): Promise<void> {
    await this.write(text);
    if (this.left)
      throw new ToolkitError("OUTPUT_NOT_WRITABLE", "nobody reads stdout any more", { cause: this.failure });
    this.check();
  }

  /** Throws when something has not arrived, unless nobody waits for it. */
  private check(): void {
    if (this.failure !== undefined && !this.left) throw systemError("cannot write it", "write", "stdout", this.failure);
  }

  private get left(): boolean {
    return this.failure?.code === "EPIPE";
  }

  private write(text: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.failure !== undefined) return resolve();
      const end = (error?: Error | null) => {
        if (error) this.failure ??= error;
        resolve();
      };
      try {
        this.stream.write(text, end);
      } catch (error) {
        end(error as Error); // as streams to files do
      }
    });
  }
}
