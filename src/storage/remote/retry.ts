// The one retry policy: what is tried again, how often and after how long. Transports report what failed; this decides
// what follows.
import { setTimeout as sleep } from "node:timers/promises";
import type { ErrorCode } from "../../error-codes.js";
import { ToolkitError } from "../../errors.js";
import { countRetry, type RetryCause } from "../counters.js";

export interface RetryOptions {
  /** Attempts in a row without progress before the error is final. Default 10: about half a minute. */
  readonly maxAttempts?: number;
  /**
   * The delay before the n-th retry is random between 0 and this times 2^n. Default 100 ms; five times that when
   * throttled.
   */
  readonly baseDelayMs?: number;
  /** The longest delay before an attempt. Default 20 s. */
  readonly maxDelayMs?: number;
  /**
   * Retries that a store may have more than successes, over its life: bounds what a service in trouble gets from us.
   * Default 1,000.
   */
  readonly budget?: number;
}

/** An attempt failed in a way that another may not. */
export class TransientError extends Error {
  override readonly name = "TransientError";

  constructor(
    readonly retryCause: RetryCause,
    message: string,
    facts: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, facts.cause === undefined ? {} : { cause: facts.cause });
    this.retryAfterMs = facts.retryAfterMs;
  }

  /** What the server asked us to wait. */
  readonly retryAfterMs: number | undefined;
}

/** A server that never answered is more likely misspelt than down. */
const attemptsBeforeFirstAnswer = 4;
const throttledFactor = 5;
/** A server may ask for any delay; a loader that sleeps for an hour looks dead. */
const maxRetryAfterMs = 60_000;

export interface Attempts {
  /** What was attempted, for the error of last resort, as in "cannot read it". */
  readonly doing: string;
  readonly source: string;
  readonly signal?: AbortSignal | undefined;
  /** Grows when an attempt brought something, though it failed: the count of attempts begins anew. */
  readonly progress?: () => number;
}

export class RetryPolicy {
  private readonly options: Required<RetryOptions>;
  private tokens: number;
  private answered = false;

  constructor({ maxAttempts = 10, baseDelayMs = 100, maxDelayMs = 20_000, budget = 1000 }: RetryOptions = {}) {
    this.options = { maxAttempts, baseDelayMs, maxDelayMs, budget };
    this.tokens = budget;
  }

  /**
   * Calls `attempt` until it succeeds or throws something final. IO_ERROR when the last allowed attempt failed,
   * ENDPOINT_UNREACHABLE when it found no server.
   */
  async run<T>(attempt: () => Promise<T>, about: Attempts): Promise<T> {
    const { signal, progress = () => 0 } = about;
    let failures = 0;
    let reached = progress();
    for (;;) {
      signal?.throwIfAborted();
      try {
        const result = await attempt();
        this.succeeded();
        return result;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof TransientError)) throw placed(error, about.source);
        if (error.retryCause !== "connect") this.answered = true;
        failures = progress() > reached ? 1 : failures + 1;
        reached = progress();
        this.checkAllowed(error, failures, about);
        countRetry(error.retryCause);
        await sleep(this.delay(error, failures), undefined, { signal }).catch(() => signal?.throwIfAborted());
      }
    }
  }

  private succeeded(): void {
    this.answered = true;
    this.tokens = Math.min(this.options.budget, this.tokens + 1);
  }

  private checkAllowed(error: TransientError, failures: number, { doing, source }: Attempts): void {
    const most = this.answered
      ? this.options.maxAttempts
      : Math.min(attemptsBeforeFirstAnswer, this.options.maxAttempts);
    const spent = this.tokens < 1;
    this.tokens -= spent ? 0 : 1;
    if (failures < most && !spent) return;
    const code: ErrorCode = error.retryCause === "connect" ? "ENDPOINT_UNREACHABLE" : "IO_ERROR";
    const given = spent ? `the budget of ${this.options.budget} retries is spent` : `tried ${failures} times`;
    throw new ToolkitError(code, `${doing}: ${error.message} (${given})`, { source, cause: error });
  }

  /**
   * Full jitter (Brooker, "Exponential backoff and jitter", AWS 2015): clients that failed together do not come back
   * together.
   */
  private delay(error: TransientError, failures: number): number {
    const { baseDelayMs, maxDelayMs } = this.options;
    const base = baseDelayMs * (error.retryCause === "throttled" ? throttledFactor : 1);
    const jittered = Math.random() * Math.min(maxDelayMs, base * 2 ** failures);
    return Math.max(jittered, Math.min(error.retryAfterMs ?? 0, maxRetryAfterMs));
  }
}

/** Connections do not know which object they are for. */
function placed(error: unknown, source: string): unknown {
  if (!(error instanceof ToolkitError) || error.source !== undefined) return error;
  return new ToolkitError(error.code, error.message, { source, cause: error.cause });
}

/** A Retry-After header, seconds or a date, in milliseconds from now. */
export function parseRetryAfter(value: string | undefined, now = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\s*\d+\s*$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : undefined;
}
