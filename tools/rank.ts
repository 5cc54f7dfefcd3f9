// Which of how many machines this process is, as its launcher sets it in the environment.
import { missingOption } from "../src/errors.js";

interface Rank {
  readonly rank: number;
  readonly worldSize: number;
}

/** Variables of the rank, of the number of ranks and, where counting does not begin at 0, of the first rank. */
const launchers = [
  { rank: "OMPI_COMM_WORLD_RANK", size: "OMPI_COMM_WORLD_SIZE" },
  { rank: "SLURM_ARRAY_TASK_ID", size: "SLURM_ARRAY_TASK_COUNT", first: "SLURM_ARRAY_TASK_MIN" },
  { rank: "SLURM_PROCID", size: "SLURM_NTASKS" },
  { rank: "AWS_BATCH_JOB_ARRAY_INDEX", size: "AWS_BATCH_JOB_ARRAY_SIZE" },
  // Kubernetes tells an Indexed Job's pods their index, not their number: that is the option worldSize.
  { rank: "JOB_COMPLETION_INDEX", size: undefined },
] as const;

/** What is given; what is not is looked for in the environment. INVALID_OPTION when only one of the two is known. */
export function rankOf(
  given: { readonly rank?: number | undefined; readonly worldSize?: number | undefined },
  env: NodeJS.ProcessEnv,
): Rank {
  const found = launchers.find(
    ({ rank, size }) => env[rank] !== undefined && (size === undefined || env[size] !== undefined),
  );
  const read = (name: string | undefined) =>
    name === undefined || env[name] === undefined ? undefined : Number(env[name]);
  const first = found !== undefined && "first" in found ? (read(found.first) ?? 0) : 0;
  const foundRank = read(found?.rank);
  const rank = given.rank ?? (foundRank === undefined ? undefined : foundRank - first);
  const size = given.worldSize ?? read(found?.size);
  if (rank === undefined && size === undefined) return { rank: 0, worldSize: 1 };
  if (size === undefined) throw missingOption("worldSize", `this is rank ${rank}`);
  if (rank === undefined) throw missingOption("rank", `there are ${size} ranks`);
  return { rank, worldSize: size };
}
