import { lax, nn, numpy as np } from "@jax-js/jax";
import { parametersOf, training, valuesOf } from "./parameters.mjs";
import { inverse, permute } from "./values.mjs";

/** Where jax-js's layout differs: OIHW for convolutions, [in, out] for matrices. */
const orders = { conv: [0, 3, 1, 2], depthwise: [2, 0, 1], linear: [1, 0] };

const shapeOf = ({ kind, shape }) => {
  const own = orders[kind]?.map((axis) => shape[axis]) ?? shape;
  return kind === "depthwise" ? [own[0], 1, own[1], own[2]] : own;
};

/**
 * A network's values as trees of arrays, as a user of jax-js would hold them: what is trained and what is not. A matrix
 * larger than the adapter can bind is held in parts along its inputs, for jax-js cannot do that itself.
 *
 * @returns {{ trained: Record<string, any>, running: Record<string, any> }}
 */
export function arraysOf(net, size, bindable) {
  const trained = {};
  const running = {};
  for (const parameter of parametersOf(net, size)) {
    const { name, kind, shape } = parameter;
    const order = orders[kind];
    const data = order === undefined ? valuesOf(parameter) : permute(valuesOf(parameter), shape, order);
    const own = shapeOf(parameter);
    const parts = kind === "linear" ? Math.ceil(data.byteLength / bindable) : 1;
    const row = data.length / own[0];
    (parameter.trainable ? trained : running)[name] = Array.from({ length: parts }, (_, k) => {
      const from = Math.floor((k * own[0]) / parts);
      const to = Math.floor(((k + 1) * own[0]) / parts);
      return np.array(data.slice(from * row, to * row)).reshape([to - from, ...own.slice(1)]);
    });
  }
  return { trained, running };
}

/** How much a parameter has changed, in the layout of exchange. */
export async function changeOf(parameter, parts) {
  const order = orders[parameter.kind];
  const before = valuesOf(parameter);
  const after = new Float32Array(before.length);
  let at = 0;
  for (const part of parts) {
    const data = await part.ref.data();
    after.set(data, at);
    at += data.length;
  }
  const own = order?.map((axis) => parameter.shape[axis]);
  const values = order === undefined ? after : permute(after, own, inverse(order));
  return values.map((value, k) => value - before[k]);
}

/**
 * The operations of networks.mjs, to be traced by `jit`: NCHW, the layout of its convolution. Tracers are shared by
 * reference, so that a tensor may be used as often as the network wants.
 */
export class JaxjsBuilder {
  /** Running statistics after a training step, by name. @type {Record<string, any>} */
  updated = {};

  constructor(values, isTraining) {
    this.values = values;
    this.isTraining = isTraining;
  }

  #one = (name) => this.values[name][0].ref;

  conv(x, name, { stride = 1, pad = 0, bias = false, act }) {
    let y = convolve(x, this.#one(`${name}.weight`), stride, pad);
    if (bias) y = y.add(perChannel(this.#one(`${name}.bias`)));
    return act === undefined ? y : this.activate(y, act);
  }

  depthwise = (x, name, { stride, pad }) => convolve(x, this.#one(`${name}.weight`), stride, pad, x.shape[1]);

  norm(x, name, act) {
    const get = (suffix) => this.#one(`${name}.${suffix}`);
    let statistics = { mean: get("running_mean"), variance: get("running_var") };
    if (this.isTraining) {
      statistics = moments(x);
      const rate = training.statisticsMomentum;
      const move = (running, seen) => running.mul(1 - rate).add(lax.stopGradient(seen).mul(rate));
      this.updated[`${name}.running_mean`] = [move(get("running_mean"), statistics.mean.ref)];
      this.updated[`${name}.running_var`] = [move(get("running_var"), statistics.variance.ref)];
    }
    const y = normalize(x, statistics, get("weight"), get("bias"));
    return act === undefined ? y : this.activate(y, act);
  }

  activate = (x, act) => (act === "relu6" ? nn.relu6(x.ref) : nn.relu(x.ref));
  add = (a, b) => a.ref.add(b.ref);
  maxPool = (x, { window, stride, pad }) => maxPool(x, window, stride, pad);
  mean = (x) => np.mean(x.ref, [2, 3]);

  /** Adaptive average pooling, which jax-js lacks, as two small products; then flat in the order of exchange. */
  resize(x, size) {
    const [n, c, h, w] = x.shape;
    let y = x.ref;
    if (h !== size) y = np.einsum("ph,nchw->ncpw", averaging(h, size), y);
    if (w !== size) y = np.einsum("qw,ncpw->ncpq", averaging(w, size), y);
    return np.transpose(y, [0, 2, 3, 1]).reshape([n, size * size * c]);
  }

  linear(x, name, { act }) {
    let sum = this.#one(`${name}.bias`);
    let from = 0;
    for (const part of this.values[`${name}.weight`]) {
      const rows = part.shape[0];
      const inputs = rows === x.shape[1] ? x.ref : x.ref.slice([], [from, from + rows]);
      sum = sum.add(np.matmul(inputs, part.ref));
      from += rows;
    }
    return act === undefined ? sum : this.activate(sum, act);
  }
}

export const convolve = (x, w, stride, pad, groups = 1) =>
  lax.convGeneralDilated(
    x.ref,
    w,
    [stride, stride],
    [
      [pad, pad],
      [pad, pad],
    ],
    { featureGroupCount: groups },
  );

/** jax-js pads with zeros only: outside the picture they must lose against everything. */
export function maxPool(x, window, stride, pad) {
  let padded = x.ref;
  if (pad > 0) {
    const inside = np.pad(np.ones(x.shape.slice(2)), [pad, pad]).greater(0);
    padded = np.where(inside, np.pad(padded, { 2: [pad, pad], 3: [pad, pad] }), -3e38);
  }
  return lax.reduceWindow(padded, np.max, [window, window], [stride, stride]);
}

/** Mean and variance of each channel. */
export function moments(x) {
  const mean = np.mean(x.ref, [0, 2, 3]);
  const centred = x.ref.sub(perChannel(mean.ref));
  return { mean, variance: np.mean(np.square(centred), [0, 2, 3]) };
}

/** jax-js has no batch normalisation: composed, as its users have to. */
export function normalize(x, { mean, variance }, gamma, beta) {
  const scale = gamma.div(np.sqrt(variance.add(training.eps)));
  return x.ref.sub(perChannel(mean)).mul(perChannel(scale)).add(perChannel(beta));
}

const perChannel = (v) => v.reshape([1, v.shape[0], 1, 1]);

/** The matrix [to, from] of PyTorch's adaptive average pooling. */
function averaging(from, to) {
  const matrix = new Float32Array(to * from);
  for (let k = 0; k < to; k++) {
    const first = Math.floor((k * from) / to);
    const end = Math.ceil(((k + 1) * from) / to);
    for (let i = first; i < end; i++) matrix[k * from + i] = 1 / (end - first);
  }
  return np.array(matrix).reshape([to, from]);
}
