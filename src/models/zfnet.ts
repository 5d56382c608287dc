import { relu } from "../nn/activations";
import { sequential } from "../nn/combinators";
import { normalInit, zeros } from "../nn/initializers";
import { type ConvOptions, conv, dropout, flatten, linear, lrn, maxPool } from "../nn/layers";
import { defineModel } from "../nn/model";

// Section 3: weights start at 10⁻² and biases at 0.
const init = normalInit(0.01);
const convolution = (channels: number, kernel: number, options: ConvOptions = {}) =>
  conv(channels, kernel, { init, biasInit: zeros, ...options });
const pool = (ceilMode: boolean) => maxPool(3, { stride: 2, ceilMode });
// Contrast normalisation across feature maps, with AlexNet's figures: the paper gives none.
const normalise = () => lrn(5, { alpha: 5 * 1e-4, beta: 0.75, k: 2 });

/**
 * Zeiler & Fergus 2013, "Visualizing and understanding convolutional networks", Figure 3. Its sizes (110, 55, 26, 13, 6)
 * need padding 1 in conv1 and ceil mode in the first two poolings.
 */
export const zfnet = defineModel({
  name: "zfnet",
  input: [224, 224, 3],
  classes: 1000,
  options: { dropout: 0.5, hidden: 4096 },
  forward: ({ classes, dropout: p, hidden }) =>
    sequential({
      conv1: convolution(96, 7, { stride: 2, pad: 1 }), // 110×110
      relu1: relu(),
      pool1: pool(true), //                                 55×55
      norm1: normalise(),
      conv2: convolution(256, 5, { stride: 2 }), //         26×26
      relu2: relu(),
      pool2: pool(true), //                                 13×13
      norm2: normalise(),
      conv3: convolution(384, 3, { pad: 1 }),
      relu3: relu(),
      conv4: convolution(384, 3, { pad: 1 }),
      relu4: relu(),
      conv5: convolution(256, 3, { pad: 1 }),
      relu5: relu(),
      pool5: pool(false), //                                 6×6
      flatten: flatten(),
      fc6: linear(hidden, { init, biasInit: zeros }),
      relu6: relu(),
      drop6: dropout(p),
      fc7: linear(hidden, { init, biasInit: zeros }),
      relu7: relu(),
      drop7: dropout(p),
      fc8: linear(classes, { init, biasInit: zeros }),
    }),
});
