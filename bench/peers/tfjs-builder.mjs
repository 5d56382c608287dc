import * as tf from "@tensorflow/tfjs";
import { parametersOf, training, valuesOf } from "./parameters.mjs";
import { inverse, permute, sizeOf } from "./values.mjs";

/** Where TensorFlow.js's layout differs: height, width, in, out. */
const orders = { conv: [1, 2, 3, 0], linear: [1, 0] };

/**
 * A network's variables, as a user of TensorFlow.js would hold them. A matrix larger than the adapter can bind is held
 * in parts along its inputs, for TensorFlow.js cannot do that itself.
 */
export class Variables {
  /** @type {Map<string, { parameter: import("./parameters.mjs").Parameter, parts: tf.Variable[] }>} */
  #all = new Map();

  /** @param exchanged whether the values are to be the same as everybody's, which takes some transposing */
  constructor(net, size, { bindable, isTraining, exchanged }) {
    for (const parameter of parametersOf(net, size)) {
      const { name, kind, shape } = parameter;
      const order = orders[kind];
      const given = valuesOf(parameter);
      const data = order === undefined || !exchanged ? given : permute(given, shape, order);
      const own =
        order === undefined ? (kind === "depthwise" ? [...shape, 1] : shape) : order.map((a) => shape[a]);
      const parts = kind === "linear" ? Math.ceil(data.byteLength / bindable) : 1;
      this.#all.set(name, {
        parameter,
        parts: Array.from({ length: parts }, (_, k) => {
          const from = Math.floor((k * own[0]) / parts);
          const to = Math.floor(((k + 1) * own[0]) / parts);
          const row = data.length / own[0];
          const values = data.subarray(from * row, to * row);
          const tensor = tf.tensor(values, [to - from, ...own.slice(1)]);
          const made = tf.variable(tensor, isTraining && parameter.trainable);
          tensor.dispose();
          return made;
        }),
      });
    }
  }

  one = (name) => this.parts(name)[0];
  parts = (name) => this.#all.get(name).parts;

  trainable() {
    return [...this.#all.values()].flatMap(({ parameter, parts }) => (parameter.trainable ? parts : []));
  }

  /** How much a parameter has changed, in the layout of exchange. */
  async change(name) {
    const { parameter, parts } = this.#all.get(name);
    const order = orders[parameter.kind];
    const after = new Float32Array(sizeOf(parameter.shape));
    let at = 0;
    for (const part of parts) {
      const data = await part.data();
      after.set(data, at);
      at += data.length;
    }
    const own = order?.map((a) => parameter.shape[a]);
    const values = order === undefined ? after : permute(after, own, inverse(order));
    const before = valuesOf(parameter);
    return values.map((value, k) => value - before[k]);
  }

  dispose() {
    for (const { parts } of this.#all.values()) for (const part of parts) part.dispose();
  }
}

/** The operations of networks.mjs, eagerly, as one would write them with `tf.*` in a function of one's own. */
export class TfjsBuilder {
  constructor(variables, isTraining) {
    this.variables = variables;
    this.isTraining = isTraining;
  }

  conv(x, name, { stride = 1, pad = 0, bias = false, act }) {
    return tf.fused.conv2d({
      x,
      filter: this.variables.one(`${name}.weight`),
      strides: stride,
      pad,
      ...(bias ? { bias: this.variables.one(`${name}.bias`) } : {}),
      ...(act === undefined ? {} : { activation: act }),
    });
  }

  depthwise(x, name, { stride, pad }) {
    return tf.depthwiseConv2d(x, this.variables.one(`${name}.weight`), stride, pad);
  }

  /** As tf.layers.batchNormalization computes it, the moving averages included. */
  norm(x, name, act) {
    const get = (suffix) => this.variables.one(`${name}.${suffix}`);
    const [running, runningVar] = [get("running_mean"), get("running_var")];
    let statistics = { mean: running, variance: runningVar };
    if (this.isTraining) {
      statistics = tf.moments(x, [0, 1, 2]);
      const rate = training.statisticsMomentum;
      tf.tidy(() => {
        running.assign(tf.add(running, tf.mul(tf.sub(statistics.mean, running), rate)));
        runningVar.assign(tf.add(runningVar, tf.mul(tf.sub(statistics.variance, runningVar), rate)));
      });
    }
    const { mean, variance } = statistics;
    const y = tf.batchNorm(x, mean, variance, get("bias"), get("weight"), training.eps);
    return act === undefined ? y : this.activate(y, act);
  }

  activate = (x, act) => (act === "relu6" ? tf.relu6(x) : tf.relu(x));
  add = (a, b) => tf.add(a, b);
  maxPool = (x, { window, stride, pad }) => tf.maxPool(x, window, stride, pad);
  mean = (x) => tf.mean(x, [1, 2]);

  /** Adaptive average pooling, which TensorFlow.js lacks: a small matrix along each of the two axes. */
  resize(x, size) {
    const [n, h, w, c] = x.shape;
    const flat = (y) => tf.reshape(y, [n, size * size * c]);
    if (h === size && w === size) return flat(x);
    const rows = tf.matMul(averaging(h, size, n), tf.reshape(x, [n, h, w * c]));
    const columns = tf.matMul(averaging(w, size, n * size), tf.reshape(rows, [n * size, w, c]));
    return flat(columns);
  }

  linear(x, name, { act }) {
    const parts = this.variables.parts(`${name}.weight`);
    const bias = this.variables.one(`${name}.bias`);
    if (parts.length === 1) {
      const activation = act === undefined ? {} : { activation: act };
      return tf.fused.matMul({ a: x, b: parts[0], bias, ...activation });
    }
    let sum = bias;
    let from = 0;
    for (const part of parts) {
      const rows = part.shape[0];
      sum = tf.add(sum, tf.matMul(tf.slice(x, [0, from], [x.shape[0], rows]), part));
      from += rows;
    }
    return act === undefined ? sum : this.activate(sum, act);
  }
}

/** `count` times the matrix [to, from] of PyTorch's adaptive average pooling. */
function averaging(from, to, count) {
  const matrix = new Float32Array(to * from);
  for (let k = 0; k < to; k++) {
    const first = Math.floor((k * from) / to);
    const end = Math.ceil(((k + 1) * from) / to);
    for (let i = first; i < end; i++) matrix[k * from + i] = 1 / (end - first);
  }
  return tf.tile(tf.tensor(matrix, [1, to, from]), [count, 1, 1]);
}
