import { testGradients, testWeights } from "../support/on-ranks.js";

for (const id of ["vit-dct-ti", "resnet50-rgb"]) testGradients(id);
testWeights(4);
