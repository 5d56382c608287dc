import { relu } from "../nn/activations";
import { residual, sequential } from "../nn/combinators";
import { kaimingNormal, ones, zeros } from "../nn/initializers";
import type { Layer } from "../nn/layer";
import { batchNorm, type ConvOptions, conv, globalAvgPool, linear, maxPool } from "../nn/layers";
import { defineModel } from "../nn/model";

/** A residual block of a width, a stride and a start of its last batch norm; its input tells whether it needs a projection. */
type Block = (mid: number, stride: number, lastNorm: typeof ones) => Layer;

const init = kaimingNormal("out");
const convolution = (out: number, kernel: number, options: ConvOptions = {}): Layer =>
  conv(out, kernel, { ...options, bias: false, init });

/** 1×1 convolution of the shortcut where the block changes the shape. */
const shortcut =
  (out: number, stride: number): Layer =>
  (x, scope) =>
    stride === 1 && x.shape.at(-1) === out
      ? x
      : sequential(convolution(out, 1, { stride }), batchNorm())(x, scope.child("downsample"));

const withRelu =
  (block: Layer): Layer =>
  (x, scope) =>
    relu()(block(x, scope), scope.child("relu"));

/** He et al. 2015, Figure 5 left: two 3×3 convolutions. */
const basic: Block = (mid, stride, lastNorm) =>
  withRelu(
    residual(
      sequential({
        conv1: convolution(mid, 3, { stride, pad: 1 }),
        bn1: batchNorm(),
        relu1: relu(),
        conv2: convolution(mid, 3, { pad: 1 }),
        bn2: batchNorm({ init: lastNorm }),
      }),
      shortcut(mid, stride),
    ),
  );

/** Figure 5 right: 1×1 down, 3×3 with the stride, 1×1 up to four times the width. */
const bottleneck: Block = (mid, stride, lastNorm) =>
  withRelu(
    residual(
      sequential({
        conv1: convolution(mid, 1),
        bn1: batchNorm(),
        relu1: relu(),
        conv2: convolution(mid, 3, { stride, pad: 1 }),
        bn2: batchNorm(),
        relu2: relu(),
        conv3: convolution(4 * mid, 1),
        bn3: batchNorm({ init: lastNorm }),
      }),
      shortcut(4 * mid, stride),
    ),
  );

type Stage = readonly [blocks: number, mid: number, stride: number];

const resnet = (name: string, block: Block, stages: readonly [Stage, Stage, Stage, Stage]) =>
  defineModel({
    name,
    input: [224, 224, 3],
    classes: 1000,
    options: { zeroInit: false },
    forward: ({ classes, zeroInit }) => {
      const [layer1, layer2, layer3, layer4] = stages.map(([blocks, mid, stride]) =>
        sequential(
          ...Array.from({ length: blocks }, (_, k) =>
            block(mid, k === 0 ? stride : 1, zeroInit ? zeros : ones),
          ),
        ),
      ) as [Layer, Layer, Layer, Layer];
      return sequential({
        conv1: convolution(64, 7, { stride: 2, pad: 3 }),
        bn1: batchNorm(),
        relu: relu(),
        maxpool: maxPool(3, { stride: 2, pad: 1 }),
        layer1,
        layer2,
        layer3,
        layer4,
        avgpool: globalAvgPool(),
        fc: linear(classes),
      });
    },
  });

/** He et al. 2015, "Deep residual learning for image recognition", Table 1, 18-layer column. */
export const resnet18 = resnet("resnet18", basic, [
  // blocks  mid  stride
  [2, 64, 1], //  conv2_x  56×56
  [2, 128, 2], // conv3_x  28×28
  [2, 256, 2], // conv4_x  14×14
  [2, 512, 2], // conv5_x   7×7
]);

/** He et al. 2015, Table 1, 34-layer column. */
export const resnet34 = resnet("resnet34", basic, [
  [3, 64, 1],
  [4, 128, 2],
  [6, 256, 2],
  [3, 512, 2],
]);

/** He et al. 2015, Table 1, 50-layer column; stride on the 3×3 as torchvision has it (v1.5). */
export const resnet50 = resnet("resnet50", bottleneck, [
  [3, 64, 1],
  [4, 128, 2],
  [6, 256, 2],
  [3, 512, 2],
]);

/** He et al. 2015, Table 1, 101-layer column; stride on the 3×3. */
export const resnet101 = resnet("resnet101", bottleneck, [
  [3, 64, 1],
  [4, 128, 2],
  [23, 256, 2],
  [3, 512, 2],
]);

/** He et al. 2015, Table 1, 152-layer column; stride on the 3×3. */
export const resnet152 = resnet("resnet152", bottleneck, [
  [3, 64, 1],
  [8, 128, 2],
  [36, 256, 2],
  [3, 512, 2],
]);
