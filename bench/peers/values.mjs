/** FNV-1a, so that every name has a stream of its own. */
function seedOf(name) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash | 1;
}

/**
 * Uniform random values in [low, high), the same for the same name: what every side is given.
 *
 * @param {string} name
 * @param {number} count
 * @param {number} low
 * @param {number} high
 */
export function uniforms(name, count, low = -1, high = 1) {
  const values = new Float32Array(count);
  const scale = (high - low) / 2 ** 32;
  let state = seedOf(name);
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[i] = low + (state >>> 0) * scale;
  }
  return values;
}

/** @param {readonly number[]} shape */
export const sizeOf = (shape) => shape.reduce((product, n) => product * n, 1);

/**
 * Transposes: axis `a` of the result is axis `order[a]` of the data.
 *
 * @param {Float32Array} data
 * @param {readonly number[]} shape
 * @param {readonly number[]} order
 */
export function permute(data, shape, order) {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const sizes = order.map((axis) => shape[axis]);
  const steps = order.map((axis) => strides[axis]);
  const result = new Float32Array(data.length);
  const inner = sizes[sizes.length - 1];
  const step = steps[steps.length - 1];
  const index = sizes.map(() => 0);
  for (let at = 0; at < result.length; at += inner) {
    let from = 0;
    for (let a = 0; a < index.length - 1; a++) from += index[a] * steps[a];
    for (let k = 0; k < inner; k++) result[at + k] = data[from + k * step];
    for (let a = index.length - 2; a >= 0; a--) {
      index[a]++;
      if (index[a] < sizes[a]) break;
      index[a] = 0;
    }
  }
  return result;
}

/** The order that undoes `order`. */
export const inverse = (order) => order.map((_, axis) => order.indexOf(axis));
