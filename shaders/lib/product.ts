import type { Sizes } from "../../src/kernel";

/** WGSL for each k below n. */
export const list = (n: number, text: (k: number) => string, separator = "\n"): string =>
  Array.from({ length: n }, (_, k) => text(k)).join(separator);

/** Elements that are loaded at a time. */
export type Width = 1 | 2 | 4;
const typeOf: Readonly<Record<Width, string>> = { 1: "f32", 2: "vec2f", 4: "vec4f" };

/** WGSL of a value of a tensor, or zero where `inside` does not hold; `index` counts what is loaded at a time. */
export type Load = (width: Width, tensor: string, index: string, inside?: string) => string;

/** Loads what an expression of an index gives, from an index that is within the tensor. */
const loadBy =
  (at: (width: Width, tensor: string, index: string) => string): Load =>
  (width, tensor, index, inside) =>
    inside === undefined
      ? at(width, tensor, index)
      : `select(${typeOf[width]}(), ${at(width, tensor, `select(0u, ${index}, ${inside})`)}, ${inside})`;

/** Loads as f32 from the buffer of a tensor. */
export const load = loadBy((width, tensor, index) => `${typeOf[width]}(${tensor}[${index}])`);

/** Loads four from the texture that holds a tensor. */
export const loadTexel = loadBy((_, tensor, index) => `load_${tensor}(${index})`);

/** Slice `z` of Z of a range of `count`, from `begin` to before `end`. Slices differ by one at most. */
export const slice = (count: string, z: string): string => `
  let all = ${count};
  let begin = all / Z * ${z} + min(${z}, all % Z);
  let end = begin + all / Z + select(0u, 1u, ${z} < all % Z);`;

/**
 * One of the two factors of a product, as WGSL. Its lines are the rows of the left factor or the columns of the right
 * one. Names that it declares for a line end in `k`.
 */
export interface Factor {
  /** What lies side by side in memory, and is loaded four at a time where the product is in vec4. */
  readonly contiguous: "steps" | "lines";
  /** Declares what is known of a line; `at` counts lines (fours of lines where those are loaded) and may be past the last. */
  readonly line: (k: number, at: string) => string;
  /** Declares what is known of a line within one turn of the product's outer loops. */
  readonly turn?: (k: number) => string;
  /** The value at a step (a four of steps where those are loaded), zero where `live` does not hold. */
  readonly load: (k: number, step: string, live?: string) => string;
  /** Where lines are expensive to take apart: variables that follow them one by one, from the first of a tile. */
  readonly walk?: {
    readonly first: (line: string) => string;
    readonly start: string;
    /** What `line` declares of line 0, by these variables. */
    readonly line: string;
    readonly advance: string;
  };
  /** Where steps are expensive to take apart: variables that follow the steps which one invocation visits, `by` apart. */
  readonly position?: {
    readonly start: (step: string, by: number) => string;
    readonly advance: string;
  };
}

/**
 * A product of matrices as the tile kernels see it: y[row, column] = Σ a[row, step] · b[step, column]. What a row, a
 * column or a step is (a position, a channel, a tap of a window) only these WGSL texts know, so that every convolution
 * and every matrix product runs through the same tiles.
 */
export interface Product {
  /** WGSL functions that the rest calls. */
  readonly functions?: string;
  /** Statements before everything else; `group.z` tells which of several independent products this is. */
  readonly setup: string;
  readonly rows: string;
  readonly columns: string;
  readonly a: Factor;
  readonly b: Factor;
  /** The steps of the inner loop; counted in fours where `a` is loaded so. */
  readonly from: string;
  readonly to: string;
  /** Loops around the loop over the steps. */
  readonly loops?: (inner: string) => string;
  /** Stores a value; `column` counts fours of columns where the product is in vec4. */
  readonly store: (row: string, column: string, value: string) => string;
}

/** An op that is a product: what the tile kernels of both families are made from. */
export interface Problem<Names extends string> {
  /** In vec4 or not, its factors loaded from buffers or as told. */
  readonly product: (vec: boolean, load?: Load) => Product;
  /** Columns, rows and independent products: the three axes of the grid, before tiling. */
  readonly extent: (sizes: Sizes<Names>) => readonly [columns: number, rows: number, products: number];
  /** Steps of one product's sum. */
  readonly length: (sizes: Sizes<Names>) => number;
  /** Steps of its innermost loop, where others go around that. */
  readonly innerLength?: (sizes: Sizes<Names>) => number;
  /** Every tensor of the op, the two factors' first: all or none are bound as vec4. */
  readonly tensors: readonly string[];
  /** Why its tensors cannot be bound as vec4. */
  readonly notInFours: (sizes: Sizes<Names>) => string | undefined;
}

/** Stores the four values of a fragment of a row, those that are within the columns. */
export const storeFour = (
  { store }: Product,
  vec: boolean,
  row: string,
  four: string,
  value: string,
): string =>
  vec
    ? `if (${four} < columns / 4u) { ${store(row, four, value)} }`
    : list(
        4,
        (c) =>
          `if (${four} * 4u + ${c}u < columns) { ${store(row, `${four} * 4u + ${c}u`, `${value}.${"xyzw"[c]}`)} }`,
      );
