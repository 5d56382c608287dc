import type { AttrSpec, Op } from "../src/op";
import type { Shape } from "../src/tensor";

/** Rows of the tolerance table: how far a kernel may be from the f64 reference. */
export type Tolerance = "copy" | "ulp1" | "ulp3" | "gemm" | "transcendental" | "statistics" | "average";

export type Values = Float64Array;
type Names<T> = { readonly [K in keyof T]: Values };
/** Axes and flattened attributes by name; a spec reads only those that its op has. */
export type CaseSizes = { readonly [name: string]: number } & Readonly<
  Record<"N" | "H" | "W" | "C" | "K" | "R" | "S" | "P" | "Q" | "M" | "SIZE" | "LAST", number>
>;

/** How the values of an input are drawn; uniform in ±1 if not given. */
export interface Draw {
  readonly range?: readonly [number, number];
  /** Whole numbers below this. */
  readonly integer?: number | ((sizes: CaseSizes) => number);
  /** Values from which to keep a distance: where the function has a kink. */
  readonly away?: readonly number[];
  readonly make?: (sizes: CaseSizes, count: number) => ArrayLike<number>;
}

type AttrOf<S> = S extends { kind: "pair" }
  ? number | readonly [number, number]
  : S extends { kind: "flag" }
    ? boolean
    : S extends { kind: "text" }
      ? string
      : number;

/** A shape for every input and the attributes that differ from their defaults. */
export type Case<I, A> = { readonly why: string } & { readonly [K in keyof I]: Shape } & {
  readonly [K in keyof A]?: AttrOf<A[K]>;
};

export interface Definition<I, O, A> {
  readonly tolerance: Tolerance;
  /** Plain f64 loops: the definition of the op. */
  readonly reference: (inputs: Names<I>, sizes: CaseSizes) => { readonly [K in keyof O]: ArrayLike<number> };
  /** For `gemm`: Σ|ab| for every output; the reference of the absolute values if not given. */
  readonly magnitude?: (inputs: Names<I>, sizes: CaseSizes) => { readonly [K in keyof O]: ArrayLike<number> };
  /** For `gemm`: the number of terms of a sum. */
  readonly reduction?: (sizes: CaseSizes) => number;
  readonly inputs?: { readonly [K in keyof I]?: Draw };
  readonly cases: readonly Case<I, A>[];
  /** Sizes as in real networks, for `striate bench ops`; the largest of the cases if not given. */
  readonly bench?: readonly Case<I, A>[];
  readonly rejects?: readonly ({ readonly [K in keyof I]: Shape } & { readonly error: RegExp } & {
    readonly [K in keyof A]?: AttrOf<A[K]>;
  })[];
  /** Inputs whose gradient is checked against finite differences of the reference; all that have one if not given. */
  readonly gradient?: false | readonly (keyof I)[];
  /** Outputs whose gradient flows back; the first if not given. */
  readonly gradientOutputs?: readonly (keyof O)[];
}

/** A spec without the types of its op: what the driver runs. */
export interface Spec {
  readonly op: Op;
  readonly tolerance: Tolerance;
  reference(
    inputs: Readonly<Record<string, Values>>,
    sizes: CaseSizes,
  ): Readonly<Record<string, ArrayLike<number>>>;
  magnitude?(
    inputs: Readonly<Record<string, Values>>,
    sizes: CaseSizes,
  ): Readonly<Record<string, ArrayLike<number>>>;
  reduction?(sizes: CaseSizes): number;
  readonly inputs: Readonly<Record<string, Draw | undefined>>;
  readonly cases: readonly (Readonly<Record<string, unknown>> & { readonly why: string })[];
  readonly bench: readonly (Readonly<Record<string, unknown>> & { readonly why: string })[];
  readonly rejects: readonly (Readonly<Record<string, unknown>> & { readonly error: RegExp })[];
  readonly gradient: false | readonly string[] | undefined;
  readonly gradientOutputs: readonly string[] | undefined;
}

/** Declares how an op is tested: its definition in f64, the cases that matter, what it must refuse. */
export function spec<
  I extends Readonly<Record<string, string>>,
  O extends Readonly<Record<string, string>>,
  A extends Readonly<Record<string, AttrSpec>>,
>(op: Op & ((args: never) => unknown) & TypedAs<I, O, A>, definition: Definition<I, O, A>): Spec {
  return {
    inputs: {},
    bench: [],
    rejects: [],
    gradient: undefined,
    gradientOutputs: undefined,
    ...definition,
    op,
  } as unknown as Spec;
}

/** The part of a defined op from which a spec takes its types. */
interface TypedAs<I, O, A> {
  readonly signatureTypes?: { readonly inputs: I; readonly outputs: O; readonly attrs: A };
}
