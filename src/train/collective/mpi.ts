// Open MPI through our addon: blocking calls on a thread of its own, promises here.
import { fileURLToPath } from "node:url";
import { loadAddonFile, setupCommand } from "../../native/addon-file.js";
import type { Collective } from "./collective.js";

interface MpiAddon {
  join(): { rank: number; size: number; localRank: number; localSize: number };
  sum(values: Float32Array): Promise<void>;
  sumNow(values: Float32Array): void;
  broadcast(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(): void;
}

function loadAddon(): MpiAddon {
  // From dist/src/train/collective/ to the folder that setup builds in.
  const file = new URL("../../../../src/train/collective/native/build/Release/dctstream_mpi.node", import.meta.url);
  return loadAddonFile(fileURLToPath(file), {
    code: "MPI_MISSING",
    problem: "started by an MPI launcher, but the addon for Open MPI cannot be loaded",
    cure: `apt-get install openmpi-bin libopenmpi-dev && ${setupCommand}`,
  }) as MpiAddon;
}

/** Joins the job this process was started in. MPI_MISSING, MPI_FAILED. */
export function joinMpi(): Collective {
  const addon = loadAddon();
  const joined = addon.join();
  const shareBytes = async (bytes: Uint8Array | undefined): Promise<Uint8Array | undefined> => {
    // -1: there are none. Doubles hold every length.
    const head = new Float64Array([joined.rank === 0 ? (bytes?.length ?? -1) : 0]);
    await addon.broadcast(new Uint8Array(head.buffer));
    const [length] = head as unknown as [number];
    if (length < 0) return undefined;
    const shared = joined.rank === 0 ? (bytes as Uint8Array) : new Uint8Array(length);
    await addon.broadcast(shared);
    return shared;
  };
  return {
    ...joined,
    sum: (values) => addon.sum(values),
    sumNow: (values) => addon.sumNow(values),
    shareBytes,
    share: async <T>(value: T) => {
      const text = joined.rank === 0 ? JSON.stringify({ value }) : "";
      const bytes = await shareBytes(new TextEncoder().encode(text));
      return (JSON.parse(new TextDecoder().decode(bytes)) as { value: T }).value;
    },
    close: () => addon.close(),
    abort: () => addon.abort(),
  };
}
