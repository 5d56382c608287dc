import { relu } from "../nn/activations";
import { sequential } from "../nn/combinators";
import { kaimingNormal, normalInit, zeros } from "../nn/initializers";
import type { Layer } from "../nn/layer";
import { adaptiveAvgPool, batchNorm, conv, dropout, flatten, linear, maxPool } from "../nn/layers";
import { defineModel } from "../nn/model";

/** 3×3 convolutions of one stage, by their channels; a pooling follows each stage. */
type Stage = readonly number[];

/** Channels times the width multiplier: 1 is the paper's, a narrow network suits small images and small sets of them. */
function widened(name: string, channels: number, width: number): number {
  const wanted = channels * width;
  if (width > 0 && Number.isInteger(wanted)) return wanted;
  throw new RangeError(`${name}: width is ${width}, expected above 0 and a multiple of 1/64`);
}

const vgg = (name: string, stages: readonly Stage[], { norm = false } = {}) =>
  defineModel({
    name,
    input: [224, 224, 3],
    classes: 1000,
    options: { dropout: 0.5, hidden: 4096, width: 1 },
    forward: ({ classes, dropout: p, hidden, width }) => {
      const convolution = (channels: number): Layer[] => [
        conv(widened(name, channels, width), 3, { pad: 1, init: kaimingNormal("out"), biasInit: zeros }),
        ...(norm ? [batchNorm()] : []),
        relu(),
      ];
      const fully = (out: number) => linear(out, { init: normalInit(0.01), biasInit: zeros });
      return sequential({
        features: sequential(...stages.flatMap((stage) => [...stage.flatMap(convolution), maxPool(2)])),
        avgpool: adaptiveAvgPool(7),
        flatten: flatten(),
        classifier: sequential(
          fully(hidden),
          relu(),
          dropout(p),
          fully(hidden),
          relu(),
          dropout(p),
          fully(classes),
        ),
      });
    },
  });

// Simonyan & Zisserman 2014, "Very deep convolutional networks", Table 1; names and initialisation as torchvision's.
// 224×224, 112×112, 56×56, 28×28, 14×14
const A: readonly Stage[] = [[64], [128], [256, 256], [512, 512], [512, 512]];
const B: readonly Stage[] = [
  [64, 64],
  [128, 128],
  [256, 256],
  [512, 512],
  [512, 512],
];
const D: readonly Stage[] = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
];
const E: readonly Stage[] = [
  [64, 64],
  [128, 128],
  [256, 256, 256, 256],
  [512, 512, 512, 512],
  [512, 512, 512, 512],
];

/** Simonyan & Zisserman 2014, Table 1, column A. */
export const vgg11 = vgg("vgg11", A);
/** Simonyan & Zisserman 2014, Table 1, column B. */
export const vgg13 = vgg("vgg13", B);
/** Simonyan & Zisserman 2014, Table 1, column D. */
export const vgg16 = vgg("vgg16", D);
/** Simonyan & Zisserman 2014, Table 1, column E. */
export const vgg19 = vgg("vgg19", E);
/** Column A with batch normalisation behind every convolution, as torchvision has it. */
export const vgg11Bn = vgg("vgg11-bn", A, { norm: true });
/** Column B with batch normalisation. */
export const vgg13Bn = vgg("vgg13-bn", B, { norm: true });
/** Column D with batch normalisation. */
export const vgg16Bn = vgg("vgg16-bn", D, { norm: true });
/** Column E with batch normalisation. */
export const vgg19Bn = vgg("vgg19-bn", E, { norm: true });
