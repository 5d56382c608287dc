import { relu6 } from "../nn/activations";
import { sequential } from "../nn/combinators";
import { kaimingNormal, zeros } from "../nn/initializers";
import type { Layer } from "../nn/layer";
import { batchNorm, conv, dropout, globalAvgPool, linear } from "../nn/layers";
import { defineModel } from "../nn/model";

type Row = readonly [blocks: number, channels: number, stride: number];

// Howard et al. 2017, Table 1, at α = 1 and 224×224.
const table: readonly Row[] = [
  // blocks  channels  stride of the first
  [1, 64, 1], //   112×112
  [2, 128, 2], //   56×56
  [2, 256, 2], //   28×28
  [6, 512, 2], //   14×14
  [2, 1024, 2], //   7×7
];

/** Channels times α in multiples of 8, at least 90% of what was asked for: timm's rounding. */
function scaled(channels: number, width: number): number {
  const wanted = channels * width;
  const rounded = Math.max(8, Math.floor((wanted + 4) / 8) * 8);
  return rounded < 0.9 * wanted ? rounded + 8 : rounded;
}

/** One filter a channel, then a mixture of the channels, each with batch norm and ReLU6. */
const depthwiseSeparable =
  (channels: number, stride: number): Layer =>
  (x, scope) =>
    sequential({
      conv_dw: conv(x.shape.at(-1) ?? 1, 3, {
        stride,
        pad: 1,
        groups: x.shape.at(-1) ?? 1,
        bias: false,
        init: kaimingNormal("in"),
      }),
      bn1: batchNorm(),
      act1: relu6(),
      conv_pw: conv(channels, 1, { bias: false, init: kaimingNormal("out") }),
      bn2: batchNorm(),
      act2: relu6(),
    })(x, scope);

/**
 * Howard et al. 2017, "MobileNets", Table 1; `width` is α and `imageSize` the resolution multiplier's side. Names,
 * padding and initialisation as timm's `mobilenetv1_100`.
 */
export const mobilenetV1 = defineModel({
  name: "mobilenet-v1",
  input: [224, 224, 3],
  classes: 1000,
  options: { width: 1, dropout: 0 },
  forward: ({ classes, width, dropout: p }) => {
    if (!(width > 0 && width <= 4))
      throw new RangeError(`mobilenet-v1: width is ${width}, expected above 0 and at most 4`);
    return sequential({
      conv_stem: conv(scaled(32, width), 3, { stride: 2, pad: 1, bias: false, init: kaimingNormal("out") }),
      bn1: batchNorm(),
      act1: relu6(),
      blocks: sequential(
        ...table.map(([blocks, channels, stride]) =>
          sequential(
            ...Array.from({ length: blocks }, (_, k) =>
              depthwiseSeparable(scaled(channels, width), k === 0 ? stride : 1),
            ),
          ),
        ),
      ),
      global_pool: globalAvgPool(),
      dropout: dropout(p),
      classifier: linear(classes, { biasInit: zeros }),
    });
  },
});
