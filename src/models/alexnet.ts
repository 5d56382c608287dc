import { relu } from "../nn/activations";
import { sequential } from "../nn/combinators";
import { normalInit, ones, zeros } from "../nn/initializers";
import {
  adaptiveAvgPool,
  type ConvOptions,
  conv,
  dropout,
  flatten,
  linear,
  lrn,
  maxPool,
} from "../nn/layers";
import { defineModel } from "../nn/model";

// Section 5: weights from N(0, 0.01²); biases 1 in conv2, conv4, conv5 and the hidden linear layers, else 0.
const init = normalInit(0.01);
const convolution = (channels: number, kernel: number, options: ConvOptions) =>
  conv(channels, kernel, { init, biasInit: zeros, ...options });
// Section 3.3: n = 5, α = 10⁻⁴, β = 0.75, k = 2; the paper does not divide α by n, PyTorch's definition does.
const normalise = () => lrn(5, { alpha: 5 * 1e-4, beta: 0.75, k: 2 });

/**
 * Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks", Section 3.5: two groups,
 * local response normalisation, overlapping pooling. 60,965,224 parameters at 227×227.
 */
export const alexnet = defineModel({
  name: "alexnet",
  input: [227, 227, 3],
  classes: 1000,
  options: { dropout: 0.5, hidden: 4096 },
  forward: ({ classes, dropout: p, hidden }) =>
    sequential({
      conv1: convolution(96, 11, { stride: 4 }), //                          55×55
      relu1: relu(),
      norm1: normalise(),
      pool1: maxPool(3, { stride: 2 }), //                                   27×27
      conv2: convolution(256, 5, { pad: 2, groups: 2, biasInit: ones }),
      relu2: relu(),
      norm2: normalise(),
      pool2: maxPool(3, { stride: 2 }), //                                   13×13
      conv3: convolution(384, 3, { pad: 1 }),
      relu3: relu(),
      conv4: convolution(384, 3, { pad: 1, groups: 2, biasInit: ones }),
      relu4: relu(),
      conv5: convolution(256, 3, { pad: 1, groups: 2, biasInit: ones }),
      relu5: relu(),
      pool5: maxPool(3, { stride: 2 }), //                                    6×6
      flatten: flatten(),
      fc6: linear(hidden, { init, biasInit: ones }),
      relu6: relu(),
      drop6: dropout(p),
      fc7: linear(hidden, { init, biasInit: ones }),
      relu7: relu(),
      drop7: dropout(p),
      fc8: linear(classes, { init, biasInit: zeros }),
    }),
});

/** Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", as torchvision's `alexnet` has it. */
export const alexnetOwt = defineModel({
  name: "alexnet-owt",
  input: [224, 224, 3],
  classes: 1000,
  options: { dropout: 0.5, hidden: 4096 },
  forward: ({ classes, dropout: p, hidden }) =>
    sequential({
      features: sequential(
        conv(64, 11, { stride: 4, pad: 2 }), // 55×55
        relu(),
        maxPool(3, { stride: 2 }), //           27×27
        conv(192, 5, { pad: 2 }),
        relu(),
        maxPool(3, { stride: 2 }), //           13×13
        conv(384, 3, { pad: 1 }),
        relu(),
        conv(256, 3, { pad: 1 }),
        relu(),
        conv(256, 3, { pad: 1 }),
        relu(),
        maxPool(3, { stride: 2 }), //            6×6
      ),
      avgpool: adaptiveAvgPool(6),
      flatten: flatten(),
      classifier: sequential(
        dropout(p),
        linear(hidden),
        relu(),
        dropout(p),
        linear(hidden),
        relu(),
        linear(classes),
      ),
    }),
});
