// Chromium, driven over its DevTools protocol through a pipe: pages are looked at when what is waited for has happened
// in them.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { inTime, until } from "./until.js";

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

interface Waiting {
  resolve(result: Readonly<Record<string, unknown>>): void;
  reject(error: Error): void;
}

export interface Window {
  readonly width: number;
  readonly height: number;
  readonly dark: boolean;
}

/** One browser process with a profile of its own. */
export class Browser {
  private readonly waiting = new Map<number, Waiting>();
  private readonly pages = new Map<string, Page>();
  private nextId = 1;
  private text = "";

  private constructor(
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {
    const [, , , , answers] = process.stdio as unknown as Readable[];
    answers?.setEncoding("utf8").on("data", (chunk: string) => this.read(chunk));
    process.on("close", (status) => this.fail(new Error(`the browser ended with ${status}`)));
    process.on("error", (error) => this.fail(error));
  }

  static async start(): Promise<Browser> {
    const folder = mkdtempSync(path.join(tmpdir(), "dctstream-browser-"));
    const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    const args = ["--headless", "--no-sandbox", "--disable-gpu", ...quiet, "--remote-debugging-pipe"];
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"] as const;
    const browser = new Browser(
      spawn("chromium", [...args, `--user-data-dir=${folder}`], { stdio: [...stdio] }),
      folder,
    );
    await browser.send("Browser.getVersion");
    return browser;
  }

  async close(): Promise<void> {
    const { process } = this;
    if (process.exitCode === null && process.signalCode === null) {
      const gone = new Promise((resolve) => process.once("close", resolve));
      process.kill("SIGKILL");
      await inTime("the browser is gone", gone);
    }
    // Its helper processes may write for a moment after it, also into a folder that has just been emptied.
    await until("the browser's folder is removed", () => {
      try {
        rmSync(this.folder, { recursive: true, force: true });
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
        return false;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Opens a page in a window of its own; its load has ended, what its scripts do later has not. */
  async open(url: string, { width, height, dark }: Window = { width: 1280, height: 900, dark: false }): Promise<Page> {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const send = (method: string, params: object = {}) => this.send(method, params, sessionId as string);
    const page = new Page(send, () => this.send("Target.closeTarget", { targetId }));
    this.pages.set(sessionId as string, page);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
    await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
    const scheme = { name: "prefers-color-scheme", value: dark ? "dark" : "light" };
    await send("Emulation.setEmulatedMedia", { features: [scheme] });
    const { errorText } = await send("Page.navigate", { url });
    if (errorText !== undefined) throw new Error(`${url}: ${errorText}`);
    await page.until("the page has loaded", `location.href !== "about:blank" && document.readyState === "complete"`);
    return page;
  }

  private async send(method: string, params: object = {}, sessionId?: string): Promise<Record<string, unknown>> {
    const id = this.nextId++;
    const answer = new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
    });
    const requests = this.process.stdio[3] as Writable;
    requests.write(`${JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) })}\0`);
    return inTime(`the browser answers ${method}`, answer);
  }

  /** Messages end with a zero byte. */
  private read(chunk: string): void {
    const parts = (this.text + chunk).split("\0");
    this.text = parts.pop() as string;
    for (const part of parts) this.handle(JSON.parse(part) as Message);
  }

  private handle({ id, sessionId, method, params = {}, result = {}, error }: Message): void {
    if (id === undefined) {
      this.pages.get(sessionId ?? "")?.heard(method ?? "", params);
      return;
    }
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error.message));
  }

  private fail(error: Error): void {
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
  }
}

/** A page that is open. */
export class Page {
  /** What was said on its console, errors of its scripts and of what it loads with it. */
  readonly console: string[] = [];
  /** URLs that it asked for, itself included. */
  readonly requests: string[] = [];

  constructor(
    private readonly send: (method: string, params?: object) => Promise<Readonly<Record<string, unknown>>>,
    readonly close: () => Promise<unknown>,
  ) {}

  /** The value of a JavaScript expression in the page; of a promise, what it resolves with. */
  async evaluate<T>(expression: string): Promise<T> {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = (await this.send("Runtime.evaluate", options)) as {
      result: { value: T };
      exceptionDetails?: { text: string; exception?: { description?: string } };
    };
    if (exceptionDetails === undefined) return result.value;
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  }

  /**
   * Waits until an expression is true in the page; fails at once, with what it says, when something is said on its
   * console.
   */
  async until(what: string, condition: string): Promise<void> {
    await until(what, async () => {
      if (this.console.length > 0)
        throw new Error(`waited until ${what}; its console says: ${this.console.join("\n")}`);
      return this.evaluate<boolean>(`Boolean(${condition})`);
    });
  }

  /** An event of the DevTools protocol. */
  heard(method: string, params: Readonly<Record<string, unknown>>): void {
    const { request, args, exceptionDetails, entry } = params as {
      request?: { url: string };
      args?: { value?: unknown; description?: string }[];
      exceptionDetails?: { text: string; exception?: { description?: string } };
      entry?: { text: string; url?: string };
    };
    if (method === "Network.requestWillBeSent") this.requests.push(request?.url ?? "");
    else if (method === "Runtime.consoleAPICalled")
      this.console.push((args ?? []).map(({ value, description }) => String(value ?? description)).join(" "));
    else if (method === "Runtime.exceptionThrown")
      this.console.push(exceptionDetails?.exception?.description ?? exceptionDetails?.text ?? "");
    else if (method === "Log.entryAdded") this.console.push(`${entry?.text} ${entry?.url ?? ""}`);
  }
}
