// The networks as data, in the notation of the paper's supplement as we read it off its diagrams:
//
//   stage[bottleneck width, output width] blocks       2[64,256] P3/1 I3x2
//   Pk/s  block with a projection shortcut, middle kernel k, stride s (on the first 1x1 and on the shortcut: ResNet v1)
//   IkxN  N identity blocks with middle kernel k
//
// Gueguen et al., "Faster Neural Networks Straight from JPEG", NeurIPS 2018; He et al., "Deep Residual Learning", CVPR 2016.

export interface NetworkDefinition {
  readonly id: string;
  readonly describe: string;
  /** "rgb": one input [s, s, 3]. "dct": y [s/8, s/8, 64], cb and cr [s/16, s/16, 64]. */
  readonly input: "rgb" | "dct";
  /** Stages over pixels, or over luma. */
  readonly luma: string;
  /** Stages over the concatenated chroma, joined to luma's output (luma first) before `joined`. */
  readonly chroma?: string;
  readonly joined?: string;
}

export const networks: readonly NetworkDefinition[] = [
  {
    id: "resnet50-rgb",
    describe: "ResNet-50 v1 on RGB pixels, the paper's baseline",
    input: "rgb",
    luma: "2[64,256] P3/1 I3x2 | 3[128,512] P3/2 I3x3 | 4[256,1024] P3/2 I3x5 | 5[512,2048] P3/2 I3x2",
  },
  {
    id: "late-concat-rfa-thinner",
    describe: "Late-Concat-RFA-Thinner: luma and chroma coefficients in their own paths, joined at stage 4",
    input: "dct",
    luma: "2[96,384] P1/1 I2 I3 | 3[96,384] P3/1 I3x3 | 4[192,768] P3/2",
    chroma: "4x[128,256] P1/1",
    joined: "4[256,1024] I3x5 | 5[512,2048] P3/2 I3x2",
  },
];
