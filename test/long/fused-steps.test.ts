import { networks } from "../../src/train/networks/definitions.js";
import { quickNetworks, testFusedStep } from "../support/fused-step.js";

for (const { id } of networks) if (!quickNetworks.includes(id)) testFusedStep(id);
