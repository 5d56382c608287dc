import { networks } from "./networks.mjs";
import { sizeOf, uniforms } from "./values.mjs";

/**
 * A parameter in the layout in which the sides exchange it: `conv` [out, height, width, in], `depthwise` [height,
 * width, channels], `linear` [out, in] with the flattened picture in the order height, width, channels.
 *
 * @typedef {{ name: string, kind: "conv" | "depthwise" | "linear" | "vector", shape: number[], range: [number, number],
 *   trainable: boolean }} Parameter
 */

const along = (size, kernel, stride, pad) => Math.floor((size + 2 * pad - kernel) / stride) + 1;

/** A builder that follows the shapes only and notes down the parameters. */
class Shapes {
  /** @type {Parameter[]} */
  parameters = [];

  #add(name, kind, shape, range, trainable = true) {
    this.parameters.push({ name, kind, shape, range, trainable });
  }

  #weights(name, kind, shape, fan, gain) {
    const bound = Math.sqrt(gain / fan);
    this.#add(`${name}.weight`, kind, shape, [-bound, bound]);
  }

  conv([n, h, w, c], name, { out, kernel, stride = 1, pad = 0, bias = false }) {
    this.#weights(name, "conv", [out, kernel, kernel, c], kernel * kernel * c, 6);
    if (bias) this.#add(`${name}.bias`, "vector", [out], [-0.05, 0.05]);
    return [n, along(h, kernel, stride, pad), along(w, kernel, stride, pad), out];
  }
  depthwise([n, h, w, c], name, { kernel, stride, pad }) {
    this.#weights(name, "depthwise", [kernel, kernel, c], kernel * kernel, 6);
    return [n, along(h, kernel, stride, pad), along(w, kernel, stride, pad), c];
  }
  norm(x, name) {
    const shape = [x[3]];
    this.#add(`${name}.weight`, "vector", shape, [0.5, 1]);
    this.#add(`${name}.bias`, "vector", shape, [-0.1, 0.1]);
    this.#add(`${name}.running_mean`, "vector", shape, [-0.1, 0.1], false);
    this.#add(`${name}.running_var`, "vector", shape, [0.8, 1.2], false);
    return x;
  }
  activate = (x) => x;
  add = (a) => a;
  maxPool = ([n, h, w, c], { window, stride, pad }) => [
    n,
    along(h, window, stride, pad),
    along(w, window, stride, pad),
    c,
  ];
  resize = ([n, , , c], size) => [n, size, size, c];
  mean = ([n, , , c]) => [n, c];
  linear(x, name, { out }) {
    const inputs = sizeOf(x.slice(1));
    this.#weights(name, "linear", [out, inputs], inputs, 6);
    this.#add(`${name}.bias`, "vector", [out], [-0.05, 0.05]);
    return [x[0], out];
  }
}

/**
 * The parameters and running statistics of a network for pictures of this size, in the order of its layers.
 *
 * @param {string} net
 * @param {number} size
 */
export function parametersOf(net, size) {
  const shapes = new Shapes();
  networks[net].define(shapes, [1, size, size, 3]);
  return shapes.parameters;
}

/** @param {Parameter} p */
export const valuesOf = ({ name, shape, range }) => uniforms(name, sizeOf(shape), ...range);

/** So many batches take turns. */
const turns = 4;
let drawn = { key: "", batches: [] };

/**
 * A batch of random pictures with random classes; another one for another number. All are drawn when the first one of a
 * size is asked for: at a large size drawing takes longer than a GPU's step, and must not be in anybody's time.
 *
 * @param {{ batch: number, size: number }} row
 * @param {number} number
 */
export function batchOf({ batch, size }, number) {
  const key = `${batch} × ${size}`;
  if (drawn.key !== key) {
    const batches = Array.from({ length: turns }, (_, turn) => ({
      image: uniforms(`image ${turn}`, batch * size * size * 3),
      label: Uint32Array.from(uniforms(`label ${turn}`, batch, 0, 1000), Math.floor),
    }));
    drawn = { key, batches };
  }
  return drawn.batches[number % turns];
}

/** How every side trains. */
export const training = { learningRate: 0.01, momentum: 0.9, eps: 1e-5, statisticsMomentum: 0.1 };
