import { InputError } from "./errors";

/**
 * How a parameter's axes in a file (PyTorch's order) become the engine's. This is the only place where the two meet.
 *
 * - `same`: biases, norms, linear weights [K, C].
 * - `conv`: file [K, C, R, S] -> engine [K, R, S, C] (C is the channels of one group).
 * - `depthwise`: file [C, 1, R, S] -> engine [R, S, C].
 * - `{ flatten: [H, W, C] }`: a linear weight behind a flatten. PyTorch flattens C, H, W, the engine H, W, C,
 *   so the columns move: file [K, C·H·W] -> engine [K, H·W·C].
 */
export type Layout =
  | "same"
  | "conv"
  | "depthwise"
  | { readonly flatten: readonly [H: number, W: number, C: number] };

/** Any typed array of numbers; a conversion returns the kind that it was given. */
export interface LayoutArray<T> {
  readonly length: number;
  [index: number]: number;
  slice(): T;
}

/** The engine's shape of a parameter that a file holds in `shape`. Throws InputError where the axes do not fit. */
export function engineShape(shape: readonly number[], layout: Layout): number[] {
  if (layout === "same") return [...shape];
  if (layout === "conv") {
    const [K = 0, C = 0, R = 0, S = 0] = checkAxes(shape, "conv weights in a file", "K C R S");
    return [K, R, S, C];
  }
  if (layout === "depthwise") {
    const [C = 0, one, R = 0, S = 0] = checkAxes(shape, "depthwise weights in a file", "C 1 R S");
    if (one !== 1)
      throw new InputError(`depthwise weights in a file are [C 1 R S], got [${shape.join(", ")}]`);
    return [R, S, C];
  }
  return checkFlatten(shape, layout.flatten);
}

/** The file's shape of a parameter that the engine holds in `shape`: the inverse of `engineShape`. */
export function fileShape(shape: readonly number[], layout: Layout): number[] {
  if (layout === "same") return [...shape];
  if (layout === "conv") {
    const [K = 0, R = 0, S = 0, C = 0] = checkAxes(shape, "the engine's conv weights", "K R S C");
    return [K, C, R, S];
  }
  if (layout === "depthwise") {
    const [R = 0, S = 0, C = 0] = checkAxes(shape, "the engine's depthwise weights", "R S C");
    return [C, 1, R, S];
  }
  return checkFlatten(shape, layout.flatten);
}

/**
 * From the file's axes to the engine's. `same` returns the very array it was given, everything else a new one.
 *
 * @example toEngine(weights, [64, 3, 7, 7], "conv").shape // [64, 7, 7, 3]
 * @throws InputError when the shape does not have the axes of the layout, or not the elements of the data
 */
export function toEngine<T extends LayoutArray<T>>(
  data: T,
  shape: readonly number[],
  layout: Layout,
): { data: T; shape: number[] } {
  const laidOut = engineShape(shape, layout);
  checkCount(data, shape);
  if (layout === "same") return { data, shape: laidOut };
  const [outer, channels, places] = blocks(shape, layout);
  return { data: swapInner(data, outer, channels, places), shape: laidOut };
}

/** From the engine's axes to the file's: the exact inverse of `toEngine`. */
export function toFile<T extends LayoutArray<T>>(
  data: T,
  shape: readonly number[],
  layout: Layout,
): { data: T; shape: number[] } {
  const laidOut = fileShape(shape, layout);
  checkCount(data, shape);
  if (layout === "same") return { data, shape: laidOut };
  const [outer, channels, places] = blocks(laidOut, layout);
  return { data: swapInner(data, outer, places, channels), shape: laidOut };
}

/** Every layout is one move, [outer, channels, places] <-> [outer, places, channels]; these are its sizes. */
function blocks(shape: readonly number[], layout: Exclude<Layout, "same">): [number, number, number] {
  if (typeof layout === "object") {
    const [H, W, C] = layout.flatten;
    return [shape[0] ?? 0, C, H * W];
  }
  const [first = 0, second = 0, R = 0, S = 0] = shape;
  return layout === "conv" ? [first, second, R * S] : [1, first, R * S];
}

/** [outer, rows, columns] -> [outer, columns, rows]. */
function swapInner<T extends LayoutArray<T>>(data: T, outer: number, rows: number, columns: number): T {
  const out = data.slice();
  let to = 0;
  for (let o = 0; o < outer; o++) {
    const base = o * rows * columns;
    for (let c = 0; c < columns; c++)
      for (let from = base + c, end = base + rows * columns; from < end; from += columns)
        out[to++] = data[from] ?? 0;
  }
  return out;
}

function checkAxes(shape: readonly number[], what: string, names: string): readonly number[] {
  if (shape.length !== names.split(" ").length)
    throw new InputError(`${what} are [${names}], got [${shape.join(", ")}]`);
  return shape;
}

function checkFlatten(shape: readonly number[], [H, W, C]: readonly [number, number, number]): number[] {
  if (shape.length !== 2 || shape[1] !== H * W * C)
    throw new InputError(
      `a linear weight behind a flatten of [H W C] = [${H}, ${W}, ${C}] is [K, ${H * W * C}], got [${shape.join(", ")}]`,
    );
  return [...shape];
}

function checkCount(data: { readonly length: number }, shape: readonly number[]): void {
  const count = shape.reduce((product, size) => product * size, 1);
  if (data.length !== count)
    throw new InputError(`shape [${shape.join(", ")}] has ${count} elements, the data has ${data.length}`);
}
