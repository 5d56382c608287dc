import { type DefinedOp, defineOp, text } from "../op";
import { formatShape, type Shape, ShapeError, sizeOf, type Tensor } from "../tensor";

/** The same data under another shape; nothing is copied. `shape` is written `2,3,4`. */
export const reshapeOp: DefinedOp<{ x: "..." }, { y: "..." }, { shape: { kind: "text"; value: string } }> =
  defineOp({
    name: "reshape",
    inputs: { x: "..." },
    outputs: { y: "..." },
    attrs: { shape: text("") },
    view: (from, { shape }) => {
      const to = shape === "" ? [] : shape.split(",").map(Number);
      if (sizeOf(from) === sizeOf(to)) return to;
      throw new ShapeError(
        `reshape: ${formatShape(from)} has ${sizeOf(from)} elements, ${formatShape(to)} has ${sizeOf(to)}`,
      );
    },
    grad: ({ x, dy }) => ({ x: reshape(dy, x.shape) }),
  });

/** `x` under another shape of as many elements. */
export const reshape = (x: Tensor, shape: Shape): Tensor => reshapeOp({ x, shape: shape.join(",") }).y;

/** `[N, …]` as `[N, the rest in one axis]`. */
export const flatten = (x: Tensor): Tensor => reshape(x, [x.shape[0] ?? 1, sizeOf(x.shape.slice(1))]);
