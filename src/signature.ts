import { type DType, formatShape, type Shape, ShapeError } from "./tensor";

/**
 * An axis of a signature: a name (`C`), a name divided by an attribute or size (`C/groups`), or a literal size (`1`).
 * A signature such as `N H W C/groups : u32` lists axes outermost first; `...` stands for any leading axes; the part
 * after the colon fixes the element type, which otherwise is that of the op's first input without one.
 */
export interface Axis {
  readonly name: string;
  readonly divisor: string | undefined;
  readonly literal: number | undefined;
}

export interface Signature {
  readonly text: string;
  readonly anyRank: boolean;
  readonly axes: readonly Axis[];
  readonly dtype: DType | undefined;
}

/** The axis names in a signature's text, for the compiler: `"N H C/groups : u32"` gives `"N" | "H" | "C"`. */
export type AxisNames<S extends string> = S extends `${infer Axes} : ${string}`
  ? AxisNames<Axes>
  : S extends `${infer A} ${infer Rest}`
    ? AxisName<A> | AxisNames<Rest>
    : AxisName<S>;
type AxisName<A extends string> = A extends `${infer Name}/${string}`
  ? Name
  : A extends "..." | ""
    ? never
    : A;

export function parseSignature(text: string): Signature {
  const [axesText = "", dtypeText] = text.split(":").map((part) => part.trim());
  const words = axesText.split(/\s+/).filter((word) => word !== "");
  const anyRank = words[0] === "...";
  const axes = (anyRank ? words.slice(1) : words).map((word): Axis => {
    const [name = "", divisor] = word.split("/");
    const literal = /^\d+$/.test(name) ? Number(name) : undefined;
    return { name, divisor, literal };
  });
  if (dtypeText !== undefined && dtypeText !== "f32" && dtypeText !== "f16" && dtypeText !== "u32") {
    throw new Error(`signature "${text}": element type ${dtypeText}, expected f32, f16 or u32`);
  }
  return { text: axesText, anyRank, axes, dtype: dtypeText };
}

type Bound = { readonly size: number; readonly by: string };

/**
 * Binds the axes of several tensors against their signatures; sizes that disagree fail with both places and all shapes.
 * `known` holds sizes given by attributes.
 */
export function bindAxes(
  op: string,
  tensors: readonly { readonly name: string; readonly signature: Signature; readonly shape: Shape }[],
  known: Readonly<Record<string, number>>,
): { sizes: Record<string, number>; leading: Shape } {
  const facts = () =>
    tensors.map((t) => `${t.name} [${t.signature.text}] = ${formatShape(t.shape)}`).join(", ");
  const bound = new Map<string, Bound>(
    Object.entries(known).map(([k, size]) => [k, { size, by: "the attributes" }]),
  );
  let leading: { shape: Shape; by: string } | undefined;
  for (const { name, signature, shape } of tensors) {
    const { axes, anyRank } = signature;
    if (anyRank ? shape.length < axes.length : shape.length !== axes.length) {
      throw new ShapeError(
        `${op}: ${name} has rank ${shape.length}, expected ${anyRank ? "at least " : ""}${axes.length} (${signature.text}); ${facts()}`,
      );
    }
    if (anyRank) {
      const front = shape.slice(0, shape.length - axes.length);
      if (leading === undefined) leading = { shape: front, by: name };
      else if (formatShape(front) !== formatShape(leading.shape)) {
        throw new ShapeError(
          `${op}: leading axes are ${formatShape(leading.shape)} in ${leading.by} but ${formatShape(front)} in ${name}; ${facts()}`,
        );
      }
    }
    axes.forEach((axis, k) => {
      const size = shape[shape.length - axes.length + k] ?? 0;
      if (axis.literal !== undefined) {
        if (size !== axis.literal) {
          throw new ShapeError(
            `${op}: axis ${k} of ${name} is ${size}, expected ${axis.literal}; ${facts()}`,
          );
        }
        return;
      }
      const earlier = bound.get(axis.name);
      const divisor = axis.divisor === undefined ? 1 : (bound.get(axis.divisor)?.size ?? 1);
      if (earlier === undefined) {
        bound.set(axis.name, { size: size * divisor, by: name });
      } else if (earlier.size !== size * divisor) {
        if (divisor > 0 && earlier.size % divisor !== 0) {
          throw new ShapeError(
            `${op}: ${axis.divisor} is ${divisor}, which does not divide ${axis.name} = ${earlier.size}; ${facts()}`,
          );
        }
        const what = divisor === 1 ? axis.name : `${axis.name}/${axis.divisor}`;
        throw new ShapeError(
          `${op}: ${what} is ${earlier.size / divisor} in ${earlier.by} but ${size} in ${name}; ${facts()}`,
        );
      }
    });
  }
  return {
    sizes: Object.fromEntries([...bound].map(([k, b]) => [k, b.size])),
    leading: leading?.shape ?? [],
  };
}

/** The shape that a signature describes, once every axis has a size. */
export function shapeOf(
  op: string,
  name: string,
  signature: Signature,
  sizes: Readonly<Record<string, number>>,
  leading: Shape,
): Shape {
  const own = signature.axes.map((axis) => {
    const size = axis.literal ?? sizes[axis.name];
    if (size === undefined) throw new Error(`${op}: output ${name} needs a size for axis ${axis.name}`);
    const value = size / (axis.divisor === undefined ? 1 : (sizes[axis.divisor] ?? 1));
    if (!Number.isInteger(value) || value < 1) {
      throw new ShapeError(`${op}: ${axis.name} of ${name} [${signature.text}] would be ${value}`);
    }
    return value;
  });
  return signature.anyRank ? [...leading, ...own] : own;
}
