import { relu } from "../nn/activations";
import { auxiliary, concat, sequential } from "../nn/combinators";
import { normalInit } from "../nn/initializers";
import type { Layer } from "../nn/layer";
import {
  avgPool,
  batchNorm,
  type ConvOptions,
  conv,
  dropout,
  globalAvgPool,
  linear,
  maxPool,
  type Pair,
} from "../nn/layers";
import { defineModel } from "../nn/model";

/** Convolution, batch norm, ReLU. */
const unit = (channels: number, kernel: Pair, options: ConvOptions = {}): Layer =>
  sequential({
    conv: conv(channels, kernel, { init: normalInit(0.1), ...options, bias: false }),
    bn: batchNorm({ eps: 1e-3 }),
    relu: relu(),
  });

/** Layers of one branch, named in the scope of the block: torchvision does not nest branches. */
const named =
  (layers: Readonly<Record<string, Layer>>): Layer =>
  (x, scope) =>
    Object.entries(layers).reduce((y, [name, next]) => next(y, scope.child(name)), x);

/** Branches of a block side by side; each names its own layers. */
const block =
  (...branches: readonly Layer[]): Layer =>
  (x, scope) => {
    // The empty name leaves the branch in the block's scope.
    const inBlock = branches.map((branch, k): [string, Layer] => [`branch ${k}`, (t) => branch(t, scope)]);
    return concat(Object.fromEntries(inBlock))(x, scope);
  };

const pooled = () => avgPool(3, { stride: 1, pad: 1 });

/** Figure 5: factorised 5×5. */
const mixedA = (pool: number): Layer =>
  block(
    named({ branch1x1: unit(64, 1) }),
    named({ branch5x5_1: unit(48, 1), branch5x5_2: unit(64, 5, { pad: 2 }) }),
    named({
      branch3x3dbl_1: unit(64, 1),
      branch3x3dbl_2: unit(96, 3, { pad: 1 }),
      branch3x3dbl_3: unit(96, 3, { pad: 1 }),
    }),
    named({ pool: pooled(), branch_pool: unit(pool, 1) }),
  );

/** Figure 10: down to 17×17. */
const mixedB: Layer = block(
  named({ branch3x3: unit(384, 3, { stride: 2 }) }),
  named({
    branch3x3dbl_1: unit(64, 1),
    branch3x3dbl_2: unit(96, 3, { pad: 1 }),
    branch3x3dbl_3: unit(96, 3, { stride: 2 }),
  }),
  named({ pool: maxPool(3, { stride: 2 }) }),
);

const row = (channels: number) => unit(channels, [1, 7], { pad: [0, 3] });
const column = (channels: number) => unit(channels, [7, 1], { pad: [3, 0] });

/** Figure 6: 7×7 as a row and a column. */
const mixedC = (mid: number): Layer =>
  block(
    named({ branch1x1: unit(192, 1) }),
    named({ branch7x7_1: unit(mid, 1), branch7x7_2: row(mid), branch7x7_3: column(192) }),
    named({
      branch7x7dbl_1: unit(mid, 1),
      branch7x7dbl_2: column(mid),
      branch7x7dbl_3: row(mid),
      branch7x7dbl_4: column(mid),
      branch7x7dbl_5: row(192),
    }),
    named({ pool: pooled(), branch_pool: unit(192, 1) }),
  );

/** Down to 8×8. */
const mixedD: Layer = block(
  named({ branch3x3_1: unit(192, 1), branch3x3_2: unit(320, 3, { stride: 2 }) }),
  named({
    branch7x7x3_1: unit(192, 1),
    branch7x7x3_2: row(192),
    branch7x7x3_3: column(192),
    branch7x7x3_4: unit(192, 3, { stride: 2 }),
  }),
  named({ pool: maxPool(3, { stride: 2 }) }),
);

/** A 3×3 as a row and a column side by side. */
const split = (name: string, a: string, b: string): Layer =>
  block(
    named({ [`${name}_${a}`]: unit(384, [1, 3], { pad: [0, 1] }) }),
    named({ [`${name}_${b}`]: unit(384, [3, 1], { pad: [1, 0] }) }),
  );

/** Figure 7: expanded filter banks. */
const mixedE: Layer = block(
  named({ branch1x1: unit(320, 1) }),
  (x, scope) => split("branch3x3", "2a", "2b")(named({ branch3x3_1: unit(384, 1) })(x, scope), scope),
  (x, scope) =>
    split(
      "branch3x3dbl",
      "3a",
      "3b",
    )(named({ branch3x3dbl_1: unit(448, 1), branch3x3dbl_2: unit(384, 3, { pad: 1 }) })(x, scope), scope),
  named({ pool: pooled(), branch_pool: unit(192, 1) }),
);

/** The classifier on the side, whose loss counts 0.4 in training; it needs the full 299×299. */
const side = (classes: number): Layer =>
  sequential({
    pool: avgPool(5, { stride: 3 }),
    conv0: unit(128, 1),
    conv1: unit(768, 5, { init: normalInit(0.01) }),
    avgpool: globalAvgPool(),
    fc: linear(classes, { init: normalInit(0.001) }),
  });

/**
 * Szegedy et al. 2015, "Rethinking the inception architecture", Table 1, as torchvision has it: 23,834,568 parameters
 * without the auxiliary classifier, 27,161,264 with it.
 */
export const inceptionV3 = defineModel({
  name: "inception-v3",
  input: [299, 299, 3],
  classes: 1000,
  options: { auxiliaries: true, auxiliaryWeight: 0.4, dropout: 0.5 },
  forward: ({ classes, auxiliaries, auxiliaryWeight, dropout: p }) =>
    sequential({
      Conv2d_1a_3x3: unit(32, 3, { stride: 2 }), // 149×149
      Conv2d_2a_3x3: unit(32, 3), //                147×147
      Conv2d_2b_3x3: unit(64, 3, { pad: 1 }),
      maxpool1: maxPool(3, { stride: 2 }), //         73×73
      Conv2d_3b_1x1: unit(80, 1),
      Conv2d_4a_3x3: unit(192, 3), //                 71×71
      maxpool2: maxPool(3, { stride: 2 }), //         35×35
      Mixed_5b: mixedA(32),
      Mixed_5c: mixedA(64),
      Mixed_5d: mixedA(64),
      Mixed_6a: mixedB, //                            17×17
      Mixed_6b: mixedC(128),
      Mixed_6c: mixedC(160),
      Mixed_6d: mixedC(160),
      Mixed_6e: mixedC(192),
      AuxLogits: auxiliaries ? auxiliary(auxiliaryWeight, side(classes)) : sequential(),
      Mixed_7a: mixedD, //                              8×8
      Mixed_7b: mixedE,
      Mixed_7c: mixedE,
      avgpool: globalAvgPool(),
      dropout: dropout(p),
      fc: linear(classes, { init: normalInit(0.1) }),
    }),
});
