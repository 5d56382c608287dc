import type { Op } from "./op";
import type { AttrValue, DType, Tensor } from "./tensor";

/** Axes, derived sizes and numeric attributes by name. `Sizes<"N H W C">` has just those four. */
export type Sizes<Names extends string = string> = string extends Names
  ? Readonly<Record<string, number>>
  : Readonly<Record<Words<Names>, number>>;
type Words<S extends string> = S extends `${infer A} ${infer Rest}` ? A | Words<Rest> : S;

/** What kind of adapter runs a kernel: which family of kernels is fast there. */
export type AdapterClass = "software" | "gpu";

/**
 * What a kernel is made for: software adapters (registers, no barriers), any GPU (tiles in workgroup memory), or a GPU's
 * matrix units, which are used where the adapter names a configuration that fits.
 */
export type KernelFamily = AdapterClass | "matrix";

/** A product that matrix units compute in one instruction: [M, K] · [K, N] of one element type, summed in another. */
export interface MatrixConfig {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly componentType: string;
  readonly resultComponentType: string;
}

/** What a kernel may look at to decide whether, and with which code, it serves a node. */
export interface KernelContext {
  readonly adapterClass: AdapterClass;
  readonly limits: {
    readonly maxComputeInvocationsPerWorkgroup: number;
    readonly maxComputeWorkgroupStorageSize: number;
    readonly maxStorageBufferBindingSize: number;
  };
  readonly features: ReadonlySet<string>;
  /** Invocations of a subgroup, where the adapter has but one size. */
  readonly subgroupSize?: number | undefined;
  /** What the adapter's matrix units compute; none where it has none, or hides them. */
  readonly matrixConfigs?: readonly MatrixConfig[] | undefined;
  /** Element types of the node's inputs and outputs by name. */
  readonly dtypes: Readonly<Record<string, DType>>;
  readonly attrs: Readonly<Record<string, AttrValue>>;
  readonly op: Op;
  /** Whether the node, or anything fused behind it, indexes an operand by the last axis alone. */
  readonly usesChannel: boolean;
}

/** How an elementwise op reads an input: by the whole index, by the last axis, as one value, or by hand. */
export type OperandKind = "full" | "channel" | "scalar" | "array";

/**
 * A WGSL kernel of an op. Its body defines `fn run(global: vec3u, group: vec3u, local: vec3u)` and names sizes (`C`,
 * `strideH`) without knowing whether they are constants or parameters; tensors are arrays under their names in the
 * signature; every element of an output is written once through `store_<name>(i, c, v)` with `i` the index, `c` the
 * index along the last axis and `v` an `f32` (or all three in units of `vec4` where the output is bound as such).
 */
export interface Kernel<S extends Sizes<never> = Sizes> {
  /** The variant: `direct` in `conv2d/direct`. */
  readonly name: string;
  /** For which adapters it is fast; one that says nothing is for all. */
  readonly family?: KernelFamily;
  readonly workgroup:
    | readonly [number, number, number]
    | ((context: KernelContext) => readonly [number, number, number]);
  /** Optional features of WGSL that the body uses; it serves no adapter without them. */
  readonly enables?: readonly ("subgroups" | "chromium_experimental_subgroup_matrix")[];
  /** Tensors that are bound as arrays of `vec4`: their last axis must be a multiple of 4. */
  readonly vec?: readonly string[] | ((op: Op) => readonly string[]);
  /** Inputs that it reads through `load_<name>(i)`, by fours, from textures that they are copied into before it runs. */
  readonly textures?: readonly string[];
  /** Sizes that must be constants of the source because they shape the code; the rest are parameters. */
  readonly constants?: readonly string[];
  /** Why it does not serve these sizes, or undefined when it does. */
  rejects?(sizes: S, context: KernelContext): string | undefined;
  /** Whether it is likely to be fast for these sizes: what decides where nothing has been measured. Yes if not given. */
  suits?(sizes: S, context: KernelContext): boolean;
  /** Workgroups along x, y, z; a one-dimensional grid past the adapter's limit is folded. */
  groups(sizes: S, context: KernelContext): readonly [number, number, number];
  body(sizes: S, context: KernelContext): string;
}

/** A variant that is no kernel but a few other ops: im2col + GEMM, or a reduction in two passes. */
export interface Lowering {
  readonly name: string;
  readonly family?: KernelFamily;
  rejects?(sizes: Sizes, context: KernelContext): string | undefined;
  /** As of a kernel. */
  suits?(sizes: Sizes, context: KernelContext): boolean;
  lower(
    inputs: Readonly<Record<string, Tensor>>,
    attrs: Readonly<Record<string, AttrValue>>,
    sizes: Sizes,
    context: KernelContext,
  ): Readonly<Record<string, Tensor>>;
}

/** Declares a kernel for the sizes named in its type: `kernel<"N H W C">({ … })`. */
export function kernel<Names extends string>(definition: Kernel<Sizes<Names>>): Kernel {
  return definition as unknown as Kernel;
}

export const isLowering = (variant: Kernel | Lowering): variant is Lowering => "lower" in variant;

/** Workgroups of `size` that cover `n` invocations. */
export const cover = (n: number, size: number): number => Math.ceil(n / size);
