// Options of profiles: how long, and where the result goes.
import { flag, positive, text, texts } from "../../src/options/kinds.js";
import { type Given, optionTable } from "../../src/options/table.js";

export const secondsOption = optionTable({
  seconds: { kind: positive, default: 5, describe: "How long to measure", group: "Profile" },
});

/** Where a profile of a pipeline goes besides stdout. */
export const profileFileOptions = optionTable({
  html: { kind: text, describe: "Write a page with the profile, for a browser", group: "Profile" },
  trace: {
    kind: text,
    describe: "Write what every thread did when, for Chrome's trace viewer or Perfetto",
    group: "Profile",
  },
});

/** Where the page and the trace go. */
export type ProfileFiles = Given<typeof profileFileOptions>;

/** Options of commands that do real work. */
export const runProfileOptions = optionTable({
  profile: { kind: flag, default: false, describe: "Report at the end where the time went", group: "Profile" },
  ...profileFileOptions,
});

export const profileOptions = optionTable({ ...secondsOption, ...profileFileOptions });

export const sweepNames = ["workers", "prefetch-bytes"] as const;
const sweepExamples = { workers: "workers=1,2,4", "prefetch-bytes": "prefetch-bytes=64MiB,256MiB" } as const;

/** The option that names settings which a profile tries besides its own; all of them, or those named. */
export function sweepOption(names: readonly (typeof sweepNames)[number][] = sweepNames) {
  return optionTable({
    sweep: {
      kind: texts,
      describe: `Predict and run other settings too: ${names.map((name) => sweepExamples[name]).join(" ")}`,
      group: "Profile",
    },
  });
}
