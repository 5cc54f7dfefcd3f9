// Which kind of run this process takes part in: what started it says so in the environment.
import { alone, type Collective } from "./collective.js";
import { joinMpi } from "./mpi.js";

/** Variables that the launchers of MPI jobs set for each process: Open MPI's mpirun, and srun with PMIx or PMI-2. */
const launcherVariables = ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE"] as const;

/** This process's place among those that were started together. MPI_MISSING, MPI_FAILED. */
export async function openCollective(env: NodeJS.ProcessEnv = process.env): Promise<Collective> {
  return launcherVariables.some((name) => env[name] !== undefined) ? joinMpi() : alone;
}
