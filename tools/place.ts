// Which of how many machines this process is, as its launcher sets it in the environment.
import { invalidOption } from "../src/errors.js";
import { argument } from "./command.js";

interface Place {
  readonly rank: number;
  readonly worldSize: number;
}

/** Variables of the rank, of the number of ranks and, where counting does not begin at 0, of the first rank. */
const launchers = [
  { rank: "OMPI_COMM_WORLD_RANK", size: "OMPI_COMM_WORLD_SIZE" },
  { rank: "SLURM_ARRAY_TASK_ID", size: "SLURM_ARRAY_TASK_COUNT", first: "SLURM_ARRAY_TASK_MIN" },
  { rank: "SLURM_PROCID", size: "SLURM_NTASKS" },
  { rank: "AWS_BATCH_JOB_ARRAY_INDEX", size: "AWS_BATCH_JOB_ARRAY_SIZE" },
  // Kubernetes gives an Indexed Job's pods their index, not their number: that is --world-size.
  { rank: "JOB_COMPLETION_INDEX", size: undefined },
] as const;

/**
 * --rank and --world-size; what is not given there is looked for in the environment. INVALID_OPTION when only one of
 * the two is known.
 */
export function placeOf(args: Record<string, unknown>, env: NodeJS.ProcessEnv): Place {
  const given = {
    rank: argument<number | undefined>(args, "rank"),
    size: argument<number | undefined>(args, "worldSize"),
  };
  const found = launchers.find(
    ({ rank, size }) => env[rank] !== undefined && (size === undefined || env[size] !== undefined),
  );
  const read = (name: string | undefined) =>
    name === undefined || env[name] === undefined ? undefined : Number(env[name]);
  const first = found !== undefined && "first" in found ? (read(found.first) ?? 0) : 0;
  const foundRank = read(found?.rank);
  const rank = given.rank ?? (foundRank === undefined ? undefined : foundRank - first);
  const size = given.size ?? read(found?.size);
  if (rank === undefined && size === undefined) return { rank: 0, worldSize: 1 };
  if (size === undefined) throw invalidOption("world-size", `given: this is rank ${rank}`, undefined);
  if (rank === undefined) throw invalidOption("rank", `given: there are ${size} ranks`, undefined);
  return { rank, worldSize: size };
}
