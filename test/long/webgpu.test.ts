import { testOnWebgpu } from "../support/webgpu-step.js";

for (const id of ["resnet50-rgb", "deconvolution-rfa", "dct-ortho", "dct-resnet"]) testOnWebgpu(id);
