import { relu } from "../nn/activations";
import { auxiliary, concat, sequential } from "../nn/combinators";
import { normalInit } from "../nn/initializers";
import type { Layer } from "../nn/layer";
import {
  adaptiveAvgPool,
  batchNorm,
  type ConvOptions,
  conv,
  dropout,
  flatten,
  globalAvgPool,
  linear,
  maxPool,
} from "../nn/layers";
import { defineModel } from "../nn/model";

const init = normalInit(0.01);

/** Convolution, batch norm, ReLU: torchvision's BasicConv2d. */
const basicConv = (channels: number, kernel: number, options: ConvOptions = {}): Layer =>
  sequential({
    conv: conv(channels, kernel, { ...options, bias: false, init }),
    bn: batchNorm({ eps: 1e-3 }),
    relu: relu(),
  });

/** Columns of Table 1: #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj. The "5×5" is a 3×3 in torchvision. */
const inception = (c1: number, r3: number, c3: number, r5: number, c5: number, pool: number): Layer =>
  concat({
    branch1: basicConv(c1, 1),
    branch2: sequential(basicConv(r3, 1), basicConv(c3, 3, { pad: 1 })),
    branch3: sequential(basicConv(r5, 1), basicConv(c5, 3, { pad: 1 })),
    branch4: sequential(maxPool(3, { stride: 1, pad: 1, ceilMode: true }), basicConv(pool, 1)),
  });

/** Section 5: the classifier on the side; its loss counts 0.3 in training. */
const side = (classes: number, p: number): Layer =>
  sequential({
    pool: adaptiveAvgPool(4),
    conv: basicConv(128, 1),
    flatten: flatten(),
    fc1: linear(1024, { init }),
    relu: relu(),
    dropout: dropout(p),
    fc2: linear(classes, { init }),
  });

const pool3 = () => maxPool(3, { stride: 2, ceilMode: true });

/**
 * Szegedy et al. 2014, "Going deeper with convolutions", Table 1, with batch norm and the names of torchvision:
 * 13,004,888 parameters with both auxiliary classifiers, 6,624,904 without.
 */
export const googlenet = defineModel({
  name: "googlenet",
  input: [224, 224, 3],
  classes: 1000,
  options: { auxiliaries: true, auxiliaryWeight: 0.3, auxiliaryDropout: 0.7, dropout: 0.2 },
  forward: ({ classes, auxiliaries, auxiliaryWeight, auxiliaryDropout, dropout: p }) => {
    const aux = () =>
      auxiliaries ? auxiliary(auxiliaryWeight, side(classes, auxiliaryDropout)) : sequential();
    return sequential({
      conv1: basicConv(64, 7, { stride: 2, pad: 3 }), //       112×112
      maxpool1: pool3(), //                                     56×56
      conv2: basicConv(64, 1),
      conv3: basicConv(192, 3, { pad: 1 }),
      maxpool2: pool3(), //                                     28×28
      inception3a: inception(64, 96, 128, 16, 32, 32),
      inception3b: inception(128, 128, 192, 32, 96, 64),
      maxpool3: pool3(), //                                     14×14
      inception4a: inception(192, 96, 208, 16, 48, 64),
      aux1: aux(),
      inception4b: inception(160, 112, 224, 24, 64, 64),
      inception4c: inception(128, 128, 256, 24, 64, 64),
      inception4d: inception(112, 144, 288, 32, 64, 64),
      aux2: aux(),
      inception4e: inception(256, 160, 320, 32, 128, 128),
      maxpool4: maxPool(2, { stride: 2, ceilMode: true }), //    7×7
      inception5a: inception(256, 160, 320, 32, 128, 128),
      inception5b: inception(384, 192, 384, 48, 128, 128),
      avgpool: globalAvgPool(),
      dropout: dropout(p),
      fc: linear(classes, { init }),
    });
  },
});
