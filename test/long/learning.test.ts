import { testLearning } from "../support/learning.js";

for (const network of ["resnet50-rgb", "dct-ortho"]) testLearning(network);
