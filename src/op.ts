import type { Kernel, Lowering, OperandKind, Sizes } from "./kernel";
import { type AxisNames, bindAxes, parseSignature, type Signature, shapeOf } from "./signature";
import {
  type AttrValue,
  createNode,
  type DType,
  type OpNode,
  type Shape,
  ShapeError,
  sizeOf,
  type Tensor,
} from "./tensor";

/** How an attribute is written in a declaration; a bare number is a whole number with that default. */
export type AttrSpec =
  | number
  | { readonly kind: "int" }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "pair"; readonly value: number }
  | { readonly kind: "flag"; readonly value: boolean }
  | { readonly kind: "text"; readonly value: string };

/** A whole number that every call must give; one named like an axis gives that axis its size. */
export const int = { kind: "int" } as const;
/** A real number. In WGSL an `f32`. */
export const float = (value: number) => ({ kind: "float", value }) as const;
/** A whole number for height and width; calls give one number or `[h, w]`, WGSL sees `nameH` and `nameW`. */
export const pair = (value: number) => ({ kind: "pair", value }) as const;
/** A text that selects code or describes a shape. */
export const text = (value: string) => ({ kind: "text", value }) as const;
/** A yes or no that selects code. */
export const flag = (value: boolean) => ({ kind: "flag", value }) as const;

type AttrValueOf<S> = S extends { kind: "pair" }
  ? readonly [number, number]
  : S extends { kind: "flag" }
    ? boolean
    : S extends { kind: "text" }
      ? string
      : number;
type AttrArgOf<S> = S extends { kind: "pair" } ? number | readonly [number, number] : AttrValueOf<S>;
type RequiredAttr<A> = { [K in keyof A]: A[K] extends { kind: "int" } ? K : never }[keyof A];

type Signatures = Readonly<Record<string, string>>;
type Tensors<S> = { readonly [K in keyof S]: Tensor };
type AttrValues<A> = { readonly [K in keyof A]: AttrValueOf<A[K]> };
type AttrArgs<A> = { readonly [K in RequiredAttr<A>]: AttrArgOf<A[K]> } & {
  readonly [K in Exclude<keyof A, RequiredAttr<A>>]?: AttrArgOf<A[K]> | undefined;
};
type AxesOf<S extends Signatures> = { [K in keyof S]: AxisNames<S[K]> }[keyof S];
type SizesOf<I extends Signatures, O extends Signatures> = Readonly<Record<AxesOf<I> | AxesOf<O>, number>>;
type GradTensors<I, O> = Tensors<I> & Tensors<O> & { readonly [K in keyof O & string as `d${K}`]: Tensor };

/** An elementwise op's WGSL: what the fuse pass can put behind another kernel's `store`. */
export interface Elementwise {
  /** Statements before the results; `T` is `f32` or `vec4f`, inputs are values of `T`, `i` is the index in units of `T`. */
  readonly lets?: string;
  /** One expression an output. */
  readonly out: Readonly<Record<string, string>>;
  /** Functions that the expressions call, for `T` of one or four elements. */
  readonly lib?: (vec: boolean) => string;
  /** Inputs that are not values but arrays, which the expressions index themselves. */
  readonly arrays?: readonly string[];
}

interface Declaration<
  I extends Signatures,
  O extends Signatures,
  A extends Readonly<Record<string, AttrSpec>>,
> {
  readonly name: string;
  /** `{ x: "N H W C" }`; see signature.ts. */
  readonly inputs: I;
  readonly outputs: O;
  readonly attrs?: A;
  /** Output axes from input axes, and further sizes that kernels want by name. */
  readonly dims?: (
    sizes: Readonly<Record<AxesOf<I>, number>> & AttrValues<A>,
    attrs: AttrValues<A>,
  ) => Readonly<Record<string, number>>;
  /** What is wrong with these sizes, in words and figures, or undefined; `leading` are those of the axes `...`. */
  readonly check?: (sizes: SizesOf<I, O>, attrs: AttrValues<A>, leading: Shape) => string | undefined;
  /** The gradient of each input that has one, as nodes of the same graph; `dy` is the gradient of output `y`. */
  readonly grad?: (
    tensors: GradTensors<I, O>,
    attrs: AttrValues<A>,
    sizes: SizesOf<I, O>,
  ) => { readonly [K in keyof I]?: Tensor | undefined };
  /** Outputs that are written over an input's storage: output name to input name. Such an op is an update of a variable. */
  readonly inPlace?: Partial<Record<keyof O & string, keyof I & string>>;
  /** Multiplications and additions, two for a multiply-add. */
  readonly flops?: (sizes: Sizes) => number;
  readonly elementwise?: Elementwise;
  /** The only output is the only input under this other shape: no kernel runs. */
  readonly view?: (shape: Shape, attrs: AttrValues<A>) => Shape;
  /** The output is a sum over this axis, so that windows along it can be added up. */
  readonly sumOver?: string;
  /** By the name of an output: the op that makes the others alone, for graphs that do not read that one. */
  readonly without?: Readonly<Partial<Record<keyof O & string, () => Op>>>;
  /** In the order of preference; the last accepts everything. */
  readonly kernels?: readonly (Kernel | Lowering)[];
}

/** An op as the compiler sees it, without the types of its own inputs. */
export interface Op {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Signature>>;
  readonly outputs: Readonly<Record<string, Signature>>;
  readonly attrs: Readonly<Record<string, AttrSpec>>;
  readonly inPlace: Readonly<Record<string, string>>;
  readonly elementwise: Elementwise | undefined;
  /** How an elementwise kernel reads each input. */
  readonly operandKinds: Readonly<Record<string, OperandKind>>;
  readonly view: boolean;
  readonly sumOver: string | undefined;
  readonly without: Readonly<Record<string, (() => Op) | undefined>>;
  readonly kernels: readonly (Kernel | Lowering)[];
  readonly differentiable: boolean;
  flops(sizes: Sizes): number;
  grad(
    node: OpNode,
    outputGradients: Readonly<Record<string, Tensor>>,
  ): Readonly<Record<string, Tensor | undefined>>;
  /** Declares a node from untyped arguments: what the specs and the kernels' driver call. */
  apply(args: Readonly<Record<string, unknown>>): Readonly<Record<string, Tensor>>;
}

/** What `defineOp` returns: called with tensors and attributes in one record, it gives a record of tensors. */
export interface DefinedOp<I extends Signatures, O extends Signatures, A> extends Op {
  (args: Tensors<I> & AttrArgs<A>): Tensors<O>;
  /** For the compiler only: what the op was declared with. */
  readonly signatureTypes?: { readonly inputs: I; readonly outputs: O; readonly attrs: A };
}

/**
 * Declares an op: its axes, attributes, gradient and kernels. Shapes, error messages, TypeScript types, the top of
 * every shader, FLOP and byte counts and the tests follow from it.
 *
 * @example
 * const scale = defineOp({
 *   name: "scale", inputs: { x: "..." }, outputs: { y: "..." }, attrs: { by: float(1) },
 *   elementwise: { out: { y: "x * by" } }, kernels: elementwiseKernels,
 *   grad: ({ dy }, { by }) => ({ x: scale({ x: dy, by }).y }),
 * });
 * const { y } = scale({ x, by: 2 });
 * @throws ShapeError at a call whose sizes disagree, before anything touches the GPU
 */
export function defineOp<
  const I extends Signatures,
  const O extends Signatures,
  const A extends Readonly<Record<string, AttrSpec>> = Record<never, never>,
>(declaration: Declaration<I, O, A>): DefinedOp<I, O, A> {
  const { name, attrs: attrSpecs = {} as A } = declaration;
  const inputs = mapValues(declaration.inputs, parseSignature);
  const outputs = mapValues(declaration.outputs, parseSignature);

  const apply = (args: Readonly<Record<string, unknown>>): Readonly<Record<string, Tensor>> => {
    const tensors = Object.keys(inputs).map((key) => [key, asTensor(name, key, args[key])] as const);
    const attrs = mapValues(attrSpecs, (spec, key) => attrValue(name, key, spec, args[key]));
    for (const key of Object.keys(args)) {
      if (!(key in inputs) && !(key in attrSpecs)) {
        const known = [...Object.keys(inputs), ...Object.keys(attrSpecs)].join(", ");
        throw new ShapeError(`${name}: there is no input or attribute "${key}"; it has ${known}`);
      }
    }
    const given = flatten(attrs);
    const bindings = tensors.map(([key, t]) => ({
      name: key,
      signature: inputs[key] as Signature,
      shape: t.shape,
    }));
    const { sizes: bound, leading } = bindAxes(name, bindings, given);
    const typedAttrs = attrs as unknown as AttrValues<A>;
    const derived = declaration.dims?.({ ...bound, ...attrs } as never, typedAttrs) ?? {};
    const sizes: Record<string, number> = { ...bound, ...given, ...derived };
    const wrong = declaration.check?.(sizes as never, typedAttrs, leading);
    if (wrong !== undefined) throw new ShapeError(`${name}: ${wrong}`);
    const record = Object.fromEntries(tensors);
    const elem = elementType(name, inputs, record);
    const specs = mapValues(outputs, (signature, key) => ({
      shape:
        declaration.view?.(tensors[0]?.[1].shape ?? [], typedAttrs) ??
        shapeOf(name, key, signature, sizes, leading),
      dtype: signature.dtype ?? elem,
    }));
    const first = Object.values(specs)[0]?.shape ?? [];
    sizes.SIZE = sizeOf(first);
    sizes.LAST = first.at(-1) ?? 1;
    return createNode<OpNode>({ kind: "op", op, inputs: record, attrs, sizes }, specs).outputs;
  };

  const rest: Omit<Op, "name"> = {
    inputs,
    outputs,
    attrs: attrSpecs,
    inPlace: (declaration.inPlace ?? {}) as Readonly<Record<string, string>>,
    elementwise: declaration.elementwise,
    operandKinds: mapValues(inputs, (signature, key) => operandKind(signature, declaration.elementwise, key)),
    view: declaration.view !== undefined,
    sumOver: declaration.sumOver,
    without: declaration.without ?? {},
    kernels: declaration.kernels ?? [],
    differentiable: declaration.grad !== undefined,
    flops: (sizes) => declaration.flops?.(sizes) ?? 0,
    grad: (node, outputGradients) => {
      const tensors: Record<string, Tensor> = { ...node.outputs, ...node.inputs };
      for (const [key, gradient] of Object.entries(outputGradients)) tensors[`d${key}`] = gradient;
      return declaration.grad?.(tensors as never, node.attrs as never, node.sizes as never) ?? {};
    },
    apply,
  };
  const op = Object.assign(
    (args: Readonly<Record<string, unknown>>) => apply(args),
    rest,
  ) as unknown as DefinedOp<I, O, A>;
  Object.defineProperty(op, "name", { value: name });
  return op;
}

function asTensor(op: string, key: string, value: unknown): Tensor {
  if (typeof value === "object" && value !== null && "node" in value && "shape" in value)
    return value as Tensor;
  throw new ShapeError(
    `${op}: input ${key} is ${value === undefined ? "missing" : typeof value}, expected a tensor`,
  );
}

function attrValue(op: string, key: string, spec: AttrSpec, value: unknown): AttrValue {
  const kind = typeof spec === "number" ? "int" : spec.kind;
  const fallback = typeof spec === "number" ? spec : "value" in spec ? spec.value : undefined;
  const given = value ?? fallback;
  const whole = (v: unknown): v is number => typeof v === "number" && Number.isInteger(v) && v >= 0;
  if (kind === "pair") {
    const both = Array.isArray(given) ? given : [given, given];
    if (both.length === 2 && whole(both[0]) && whole(both[1])) return [both[0], both[1]];
    throw new ShapeError(`${op}: ${key} is ${String(value)}, expected a whole number or [height, width]`);
  }
  if (kind === "flag" && typeof given === "boolean") return given;
  if (kind === "text" && typeof given === "string") return given;
  if (kind === "float" && typeof given === "number" && Number.isFinite(given)) return given;
  if (kind === "int" && whole(given)) return given;
  const expected = { int: "a whole number", float: "a finite number", flag: "true or false", text: "a text" }[
    kind
  ];
  throw new ShapeError(`${op}: ${key} is ${String(value)}, expected ${expected}`);
}

/** Numeric attributes under the names that WGSL sees. */
function flatten(attrs: Readonly<Record<string, AttrValue>>): Record<string, number> {
  const flat: Record<string, number> = {};
  for (const [key, value] of Object.entries(attrs)) {
    if (typeof value === "number") flat[key] = value;
    else if (typeof value === "object") [flat[`${key}H`], flat[`${key}W`]] = value;
  }
  return flat;
}

function elementType(
  op: string,
  inputs: Readonly<Record<string, Signature>>,
  tensors: Readonly<Record<string, Tensor>>,
): DType {
  let found: { dtype: DType; by: string } | undefined;
  for (const [key, signature] of Object.entries(inputs)) {
    const dtype = tensors[key]?.dtype ?? "f32";
    if (signature.dtype !== undefined) {
      if (dtype !== signature.dtype)
        throw new ShapeError(`${op}: ${key} is ${dtype}, expected ${signature.dtype}`);
    } else if (found === undefined) found = { dtype, by: key };
    else if (found.dtype !== dtype) {
      throw new ShapeError(`${op}: element type is ${found.dtype} in ${found.by} but ${dtype} in ${key}`);
    }
  }
  return found?.dtype ?? "f32";
}

export const mapValues = <V, R>(
  record: Readonly<Record<string, V>>,
  map: (value: V, key: string) => R,
): Record<string, R> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));

function operandKind(signature: Signature, elementwise: Elementwise | undefined, name: string): OperandKind {
  if (elementwise?.arrays?.includes(name)) return "array";
  if (signature.anyRank) return "full";
  return signature.axes.length === 0 ? "scalar" : signature.axes.length === 1 ? "channel" : "array";
}
