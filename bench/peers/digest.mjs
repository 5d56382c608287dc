import { uniforms } from "./values.mjs";

/** @typedef {{ norm: number, products: number[] }} Digest a result's Euclidean norm, and its products with random vectors */

const projections = 8;

/**
 * What is kept of results, so that those of another process can be compared with them.
 *
 * @param {Record<string, ArrayLike<number>>} results
 * @returns {Record<string, Digest>}
 */
export function digestOf(results) {
  return Object.fromEntries(
    Object.entries(results).map(([name, values]) => {
      const products = [];
      for (let k = 0; k < projections; k++) {
        const direction = uniforms(`projection ${k}`, values.length);
        let product = 0;
        for (let i = 0; i < values.length; i++) product += values[i] * direction[i];
        products.push(product);
      }
      let squares = 0;
      for (let i = 0; i < values.length; i++) squares += values[i] ** 2;
      return [name, { norm: Math.sqrt(squares), products }];
    }),
  );
}

/**
 * About ‖a − b‖ / ‖b‖, the largest over the results that both have: a product with a vector of values uniform in
 * [−1, 1) is on average the norm over √3 in size. Undefined where there is nothing to compare.
 *
 * @param {Record<string, Digest> | undefined} a
 * @param {Record<string, Digest> | undefined} b
 */
export function digestDifference(a, b) {
  if (a === undefined || b === undefined) return undefined;
  const names = Object.keys(a).filter((name) => name in b);
  if (names.length === 0) return undefined;
  const differences = names.map((name) => {
    const squares = a[name].products.map((product, k) => (product - b[name].products[k]) ** 2);
    return Math.sqrt((3 * squares.reduce((sum, square) => sum + square, 0)) / squares.length) / b[name].norm;
  });
  return Math.max(...differences);
}
