import { add } from "../ops/add";
import { concat2, concat3, concat4 } from "../ops/concat";
import { ShapeError, type Tensor } from "../tensor";
import { type Layer, layer, type Scope } from "./layer";

/**
 * One layer after the other. In a list they are named 0, 1, 2 …, in a record by its keys; both give PyTorch's
 * state-dict names.
 *
 * @example sequential({ conv1: conv(64, 3), relu: relu(), fc: sequential(flatten(), linear(10)) })
 */
export function sequential(...layers: readonly Layer[]): Layer;
export function sequential(layers: Readonly<Record<string, Layer>>): Layer;
export function sequential(...given: readonly (Layer | Readonly<Record<string, Layer>>)[]): Layer {
  const named = given.flatMap((item, k): [string, Layer][] =>
    typeof item === "function" ? [[String(k), item]] : entriesInOrder(item),
  );
  return (x, scope) => named.reduce((y, [name, next]) => next(y, scope.child(name)), x);
}

// JavaScript moves keys that look like whole numbers to the front of a record.
function entriesInOrder(layers: Readonly<Record<string, Layer>>): [string, Layer][] {
  const entries = Object.entries(layers);
  const number = entries.find(([name]) => /^\d+$/.test(name))?.[0];
  if (number !== undefined && entries.length > 1)
    throw new ShapeError(
      `sequential: the name ${number} would lose its place in a record; use numbered(), or a list of layers`,
    );
  return entries;
}

/** Layers one after the other whose names are given in pairs, for numbers with gaps. */
export const numbered =
  (...layers: readonly (readonly [name: string | number, layer: Layer])[]): Layer =>
  (x, scope) =>
    layers.reduce((y, [name, next]) => next(y, scope.child(String(name))), x);

/** body(x) + shortcut(x); x itself where there is no shortcut. The caller applies the activation behind. */
export const residual =
  (body: Layer, shortcut?: Layer): Layer =>
  (x, scope) => {
    const y = body(x, scope);
    const s = shortcut === undefined ? x : shortcut(x, scope);
    return layer("add", () => add({ a: y, b: s }).y)(y, scope);
  };

/** Branches of one input side by side along the channels, in the order of the record. */
export const concat =
  (branches: Readonly<Record<string, Layer>>): Layer =>
  (x, scope) => {
    const outputs = entriesInOrder(branches).map(([name, branch]) => branch(x, scope.child(name)));
    return layer("concat", () => concatTensors(outputs, scope))(x, scope);
  };

function concatTensors(tensors: readonly Tensor[], scope: Scope): Tensor {
  const [a, b, c, d, ...rest] = tensors;
  if (a === undefined) throw new ShapeError("concat: there are no branches");
  if (b === undefined) return a;
  if (c === undefined) return concat2({ a, b }).y;
  if (d === undefined) return concat3({ a, b, c }).y;
  const y = concat4({ a, b, c, d }).y;
  return rest.length === 0 ? y : concatTensors([y, ...rest], scope);
}

/** A layer that passes its input through and, in training, trains a classifier on it with this weight in the loss. */
export const auxiliary =
  (weight: number, head: Layer): Layer =>
  (x, scope) => {
    if (scope.trace.auxiliaries) scope.auxiliary(weight, head(x, scope));
    return x;
  };
