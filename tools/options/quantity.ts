// Sizes as people write and read them.
import { invalidOption } from "../../src/errors.js";

const units: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  KiB: 2 ** 10,
  MB: 1e6,
  MiB: 2 ** 20,
  GB: 1e9,
  GiB: 2 ** 30,
  TB: 1e12,
  TiB: 2 ** 40,
};

/** `64MiB`, `1.5 GB` or plain bytes -> bytes. INVALID_OPTION otherwise. */
export function parseSize(option: string, value: string | number): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(String(value));
  const unit = units[match?.[2] ?? "?"];
  if (match === null || unit === undefined)
    throw invalidOption(option, "a size such as 64MiB, 1.5GB or 1000000", value);
  return Math.round(Number(match[1]) * unit);
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 2 ** (10 * power)).toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

/** Seconds as 45s, 3m10s or 2h05m. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}

/** A share of [0, 1] as 12.3 %. */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
