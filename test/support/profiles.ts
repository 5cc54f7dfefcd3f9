// Profiles as the command line prints them, checked for what holds of every one; and services that are slow on purpose.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import type { TestContext } from "node:test";
import type { Profile } from "../../tools/profile/stage.js";
import { lastJson, type Outcome } from "./command-line.js";
import { projectRoot } from "./files.js";

export function profileOf(outcome: Outcome): Profile {
  assert.equal(outcome.status, 0, outcome.stderr);
  const profile = lastJson(outcome) as unknown as Profile;
  checkShares(profile);
  return profile;
}

/** Shares of every stage's time add up to 1, and none is outside of it. */
export function checkShares({ stages }: Pick<Profile, "stages">): void {
  assert.ok(stages.length > 0);
  for (const { name, busy, waitForInput, waitForOutput, onCore } of stages) {
    assert.ok(Math.abs(busy + waitForInput + waitForOutput - 1) < 0.02, `${name}: the shares add up`);
    for (const share of [busy, waitForInput, waitForOutput]) assert.ok(share >= -1e-9 && share <= 1 + 1e-9, name);
    assert.ok(onCore <= busy + 1e-9, `${name}: has a core while it is busy`);
  }
}

/**
 * A stretch of time whose two ends were each looked at between two looks at another clock: its length lies between the
 * two given.
 */
export class Stopwatch {
  private readonly looks: { readonly before: number; readonly after: number }[] = [];

  /** Does what reads the clock that is compared. */
  around<T>(read: () => T): T {
    const before = performance.now();
    const result = read();
    this.looks.push({ before, after: performance.now() });
    return result;
  }

  /** Fails unless so many milliseconds can have passed from the first look to the last. */
  check(ms: number, what: string): void {
    const [first, last] = [this.looks[0], this.looks.at(-1)];
    assert.ok(first !== undefined && last !== undefined && this.looks.length > 1);
    const [least, most] = [last.before - first.after, last.after - first.before];
    // Clocks are told as milliseconds since 1970: to a microsecond.
    assert.ok(ms > least - 0.01 && ms < most + 0.01, `${what}: ${ms} ms, by the watch ${least} to ${most}`);
  }
}

/**
 * The URL of a proxy before `target`: so many milliseconds before an answer's first byte, so many bytes a second per
 * connection.
 */
export async function slowProxy(
  t: TestContext,
  target: string,
  delayMs: number,
  bytesPerSecond: number,
): Promise<string> {
  const file = path.join(projectRoot, "dist", "bench", "slow-proxy.js");
  const proxy = spawn(process.execPath, [file, target, String(delayMs), String(bytesPerSecond)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => proxy.kill());
  return new Promise((resolve) => proxy.stdout.once("data", (line) => resolve(String(line).trim())));
}
