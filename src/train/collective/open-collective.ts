// Which kind of run this process takes part in: its launcher sets variables for it in the environment.
import { alone, type Collective } from "./collective.js";
import { joinMpi } from "./mpi.js";

/** Variables that the launchers of MPI jobs set for each process: Open MPI's mpirun, and srun with PMIx or PMI-2. */
const launcherVariables = ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE"] as const;

/** Joins the processes that were started together, with this one's rank among them. Throws MPI_MISSING, MPI_FAILED. */
export async function openCollective(env: NodeJS.ProcessEnv = process.env): Promise<Collective> {
  return launcherVariables.some((name) => env[name] !== undefined) ? joinMpi() : alone;
}
