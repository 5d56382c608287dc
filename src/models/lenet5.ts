import { relu, tanh } from "../nn/activations";
import { sequential } from "../nn/combinators";
import { avgPool, conv, dropout, flatten, linear, maxPool } from "../nn/layers";
import { defineModel } from "../nn/model";

/**
 * LeCun et al. 1998, "Gradient-based learning applied to document recognition", Figure 2; with a full C3, plain tanh,
 * plain average pooling and a linear output: 61,706 parameters.
 */
export const lenet5 = defineModel({
  name: "lenet5",
  input: [32, 32, 1],
  classes: 10,
  forward: ({ classes }) =>
    sequential({
      c1: conv(6, 5), //    28×28
      tanh1: tanh(),
      s2: avgPool(2), //    14×14
      c3: conv(16, 5), //   10×10
      tanh3: tanh(),
      s4: avgPool(2), //     5×5
      c5: conv(120, 5), //   1×1
      tanh5: tanh(),
      flatten: flatten(),
      f6: linear(84),
      tanh6: tanh(),
      output: linear(classes),
    }),
});

/** The small network of many tutorials for MNIST: 3,199,106 parameters. */
export const mnistCnn = defineModel({
  name: "mnist-cnn",
  input: [28, 28, 1],
  classes: 10,
  options: { dropout: 0.5, hidden: 1000 },
  forward: ({ classes, dropout: p, hidden }) =>
    sequential({
      conv1: conv(32, 5, { pad: 2 }), // 28×28
      relu1: relu(),
      pool1: maxPool(2), //              14×14
      conv2: conv(64, 5, { pad: 2 }),
      relu2: relu(),
      pool2: maxPool(2), //               7×7
      flatten: flatten(),
      dropout: dropout(p),
      fc1: linear(hidden),
      relu3: relu(),
      fc2: linear(classes),
    }),
});
