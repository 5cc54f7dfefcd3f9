import { testFuzzTargets } from "../support/fuzz-runs.js";

testFuzzTargets(500);
