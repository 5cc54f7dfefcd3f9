// The networks as data. Residual stages stand in the notation in which we read them off the paper's diagrams:
//
//   stage[bottleneck width, output width] blocks       2[64,256] P3/1 I3x2
//   Pk/s  block with a projection shortcut, middle kernel k, stride s (on the first 1x1 and on the shortcut: ResNet v1)
//   IkxN  N identity blocks with middle kernel k
//   -     a block that the full network has is left out, and its letter with it
//
// Gueguen et al., "Faster Neural Networks Straight from JPEG", NeurIPS 2018; He et al., "Deep Residual Learning",
// CVPR 2016. What the diagrams leave open, and what we chose: docs/networks.md.

/** How the first layers turn the input into what the stages take. */
export type Stem =
  /** conv 7/2-64, max pooling 3/2. */
  | "pixels"
  /** Y through conv 2/2-256, concatenated with Cb and Cr at 14x14. */
  | "downsample"
  /** Cb and Cr twice as large by repetition, concatenated with Y at 28x28. */
  | "upsample"
  /** Cb and Cr twice as large by a transposed convolution each, concatenated with Y at 28x28. */
  | "deconvolve"
  /** Y through `luma`, Cb and Cr through `chroma`, concatenated. */
  | "late"
  /** Three 8x8 convolutions over YCbCr pixels, chroma at half the resolution: the DCT as a first layer. */
  | "blocks"
  /** The stem "blocks" with a stride of 4 and full chroma resolution: blocks overlap. */
  | "overlapping-blocks"
  /** Each 16x16 pixels as one token: four luma blocks joined to one 16x16 DCT, one block each of Cb and Cr. */
  | "patches";

/** A network as block notations of a line each. */
export interface NetworkDefinition {
  readonly id: string;
  readonly describe: string;
  /** "rgb" and "ycbcr": one input [s, s, 3]. "dct": y [s/8, s/8, 64], cb and cr [s/16, s/16, 64]. */
  readonly input: "rgb" | "ycbcr" | "dct";
  readonly stem: Stem;
  /** Stages over the stem's output; of a "late" stem, over luma. */
  readonly luma: string;
  /** The stages over the concatenated chroma of a "late" stem, joined to luma's output (luma first) before `joined`. */
  readonly chroma?: string;
  readonly joined?: string;
  /**
   * What becomes of the three 8x8 kernels, which begin as the DCT: trained freely, kept orthonormal, or not trained at
   * all.
   */
  readonly blockKernels?: "learned" | "orthonormal" | "frozen";
  /**
   * Residual blocks as they are built today: stride on the 3x3 (ResNet v1.5), average pooling on the shortcut
   * (ResNet-D). Default "v1".
   */
  readonly style?: "v1" | "modern";
  /** The sizes of a plain vision transformer, for "patches". */
  readonly transformer?: { readonly width: number; readonly heads: number; readonly depth: number };
  /** What was published of it: errors on ImageNet's validation set in %, images/s relative to ResNet-50. */
  readonly paper?: { readonly top1Error?: number; readonly top5Error?: number; readonly speedRatio?: number };
}

const stage2 = "2[64,256] P3/1 I3x2";
const stage3 = "3[128,512] P3/2 I3x3";
const stage4 = "4[256,1024] P3/2 I3x5";
const stage5 = "5[512,2048] P3/2 I3x2";
/** Receptive-field aware: small kernels first, since one value of the input has seen 8x8 pixels already. */
const stage2Aware = "2[256,1024] P1/1 I2 I3";
const stage3Unstrided = "3[128,512] P3/1 I3x3";
const afterJoin = `4[256,1024] I3x5 | ${stage5}`;
const body = (...stages: string[]) => stages.join(" | ");

const pixels = (id: string, describe: string, luma: string): NetworkDefinition => ({
  id,
  describe,
  input: "rgb",
  stem: "pixels",
  luma,
});

/** All networks, in the order in which they are listed. */
export const networks: readonly NetworkDefinition[] = [
  {
    ...pixels("resnet50-rgb", "ResNet-50 v1 on RGB pixels, the baseline", body(stage2, stage3, stage4, stage5)),
    paper: { top1Error: 24.22, top5Error: 7.35, speedRatio: 1 },
  },
  {
    id: "resnet50-ycbcr",
    describe: "ResNet-50 v1 on YCbCr pixels",
    input: "ycbcr",
    stem: "pixels",
    luma: body(stage2, stage3, stage4, stage5),
  },
  pixels("less-id-blocks-2", "ResNet-50 without blocks 2b, 2c", body("2[64,256] P3/1", stage3, stage4, stage5)),
  pixels("less-id-blocks-3", "ResNet-50 without stage 2", body(stage3, stage4, stage5)),
  pixels(
    "less-id-blocks-4",
    "ResNet-50 without stage 2 and 1 block of stage 3",
    body("3[128,512] P3/2 - I3x2", stage4, stage5),
  ),
  pixels(
    "less-id-blocks-5",
    "ResNet-50 without stage 2 and 2 blocks of stage 3",
    body("3[128,512] P3/2 - - I3", stage4, stage5),
  ),
  pixels(
    "less-id-blocks-6",
    "ResNet-50 without stage 2 and 3 blocks of stage 3",
    body("3[128,512] P3/2", stage4, stage5),
  ),
  pixels(
    "channels-div-1.1",
    "ResNet-50 with residual widths divided by 1.1",
    "2[58,232] P3/1 I3x2 | 3[116,465] P3/2 I3x3 | 4[232,930] P3/2 I3x5 | 5[465,1861] P3/2 I3x2",
  ),
  pixels(
    "channels-div-sqrt2",
    "ResNet-50 with residual widths divided by sqrt 2",
    "2[45,181] P3/1 I3x2 | 3[90,362] P3/2 I3x3 | 4[181,724] P3/2 I3x5 | 5[362,1448] P3/2 I3x2",
  ),
  pixels(
    "channels-div-2",
    "ResNet-50 with residual widths divided by 2",
    "2[32,128] P3/1 I3x2 | 3[64,256] P3/2 I3x3 | 4[128,512] P3/2 I3x5 | 5[256,1024] P3/2 I3x2",
  ),
  {
    id: "downsampling",
    describe: "DownSampling: luma coefficients brought to chroma's 14x14 by a strided convolution",
    input: "dct",
    stem: "downsample",
    luma: body(stage2Aware, stage3Unstrided, "4[256,1024] P3/1 I3x5", stage5),
  },
  {
    id: "upsampling",
    describe: "UpSampling: chroma coefficients repeated to luma's 28x28, no stage 2",
    input: "dct",
    stem: "upsample",
    luma: body(stage3Unstrided, stage4, stage5),
  },
  {
    id: "upsampling-rfa",
    describe: "UpSampling-RFA: the same with a receptive-field aware stage 2",
    input: "dct",
    stem: "upsample",
    luma: body(stage2Aware, stage3Unstrided, stage4, stage5),
  },
  {
    id: "deconvolution-rfa",
    describe: "Deconvolution-RFA: chroma brought to luma's size by transposed convolutions",
    input: "dct",
    stem: "deconvolve",
    luma: body(stage2Aware, stage3Unstrided, stage4, stage5),
    paper: { top1Error: 23.94, top5Error: 6.98, speedRatio: 1.29 },
  },
  {
    id: "late-concat",
    describe: "Late-Concat: luma and chroma in their own paths, joined at stage 4",
    input: "dct",
    stem: "late",
    luma: body(stage3Unstrided, "4[256,512] P3/2"),
    chroma: "4x[256,512] P1/1",
    joined: afterJoin,
  },
  {
    id: "late-concat-rfa",
    describe: "Late-Concat-RFA: the same with a receptive-field aware stage 2",
    input: "dct",
    stem: "late",
    luma: body(stage2Aware, stage3Unstrided, "4[256,512] P3/2"),
    chroma: "4x[256,512] P1/1",
    joined: afterJoin,
    paper: { top1Error: 24.08, top5Error: 7.19 },
  },
  {
    id: "late-concat-rfa-thinner",
    describe: "Late-Concat-RFA-Thinner: the same with fewer channels before the join",
    input: "dct",
    stem: "late",
    luma: "2[96,384] P1/1 I2 I3 | 3[96,384] P3/1 I3x3 | 4[192,768] P3/2",
    chroma: "4x[128,256] P1/1",
    joined: afterJoin,
    paper: { top1Error: 24.61, top5Error: 7.43, speedRatio: 1.77 },
  },
  {
    id: "dct-learn",
    describe: "DCT-Learn: UpSampling-RFA over pixels, its 8x8 kernels trained from the DCT on",
    input: "ycbcr",
    stem: "blocks",
    luma: body(stage2Aware, stage3Unstrided, stage4, stage5),
    blockKernels: "learned",
  },
  {
    id: "dct-ortho",
    describe: "DCT-Ortho: the same, its 8x8 kernels kept orthonormal",
    input: "ycbcr",
    stem: "blocks",
    luma: body(stage2Aware, stage3Unstrided, stage4, stage5),
    blockKernels: "orthonormal",
  },
  {
    id: "dct-frozen",
    describe: "DCT-Frozen: the same, its 8x8 kernels fixed at the DCT",
    input: "ycbcr",
    stem: "blocks",
    luma: body(stage2Aware, stage3Unstrided, stage4, stage5),
    blockKernels: "frozen",
  },
  {
    id: "dct-frozen-x2",
    describe: "DCT-Frozen-x2: fixed DCT kernels over overlapping blocks, then ResNet-50 from stage 2 on",
    input: "ycbcr",
    stem: "overlapping-blocks",
    luma: body(stage2, stage3, stage4, stage5),
    blockKernels: "frozen",
  },
  {
    id: "dct-resnet",
    describe: "A residual network for coefficients as one would build it today: fewer, denser values between layers",
    input: "dct",
    stem: "late",
    luma: "3[128,256] P3/1 I3x3 | 4[192,384] P3/2",
    chroma: "4x[64,128] P1/1",
    joined: "4[256,512] I3x7 | 5[512,1024] P3/2 I3x3",
    style: "modern",
  },
  {
    id: "vit-dct-ti",
    describe: "Vision transformer, tiny, on grouped coefficients (RGB no more)",
    input: "dct",
    stem: "patches",
    luma: "",
    transformer: { width: 192, heads: 3, depth: 12 },
  },
  {
    id: "vit-dct-s",
    describe: "Vision transformer, small, on grouped coefficients (RGB no more)",
    input: "dct",
    stem: "patches",
    luma: "",
    transformer: { width: 384, heads: 6, depth: 12 },
  },
];
