import { testInterruptions } from "../support/interrupted-runs.js";

testInterruptions({ network: "resnet50-rgb" });
testInterruptions({
  network: "late-concat-rfa-thinner",
  ...{ averageDecay: 0.9, clipNorm: 1, labelSmoothing: 0.1, zeroInit: true },
});
testInterruptions({ network: "upsampling", accumulate: 2, policy: { mixup: 0.2, cutmix: 1 }, schedule: "cosine" });
