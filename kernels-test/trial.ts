import { streamOf, uniforms } from "../src/random";
import { input, type OpNode, type Shape, sizeOf, type Tensor, variable } from "../src/tensor";
import type { CaseSizes, Spec, Values } from "./spec";

/** A case as a node, with the values of its inputs. */
export interface Trial {
  readonly node: OpNode;
  readonly values: Readonly<Record<string, Values>>;
  readonly sizes: CaseSizes;
}

/** Declares the case's node: inputs that the op overwrites are variables. */
export function declare(spec: Spec, trial: Spec["cases"][number] | Spec["rejects"][number]): OpNode {
  const args: Record<string, unknown> = {};
  const overwritten = new Set(Object.values(spec.op.inPlace));
  for (const [key, value] of Object.entries(trial)) {
    if (key === "why" || key === "error") continue;
    const signature = spec.op.inputs[key];
    if (signature === undefined) args[key] = value;
    else if (overwritten.has(key))
      args[key] = variable(key, value as Shape, (shape) => new Float32Array(sizeOf(shape)));
    else args[key] = input(key, value as Shape, signature.dtype ?? "f32");
  }
  const [first] = Object.values(spec.op.apply(args));
  return first?.node as OpNode;
}

function draw(spec: Spec, node: OpNode, sizes: CaseSizes, why: string, seed: number): Record<string, Values> {
  return Object.fromEntries(
    Object.entries(node.inputs).map(([name, t]) => {
      const how = spec.inputs[name] ?? {};
      const count = sizeOf(t.shape);
      if (how.make !== undefined)
        return [name, Float64Array.from(how.make(sizes, count), t.dtype === "u32" ? Number : Math.fround)];
      const random = uniforms(seed, streamOf(`${spec.op.name}/${why}/${name}`), count);
      if (how.integer !== undefined) {
        const below = typeof how.integer === "number" ? how.integer : how.integer(sizes);
        return [name, Float64Array.from(random, (u) => Math.floor(u * below))];
      }
      const [lo, hi] = how.range ?? [-1, 1];
      const values = Float64Array.from(random, (u) => {
        const v = lo + u * (hi - lo);
        const kink = how.away?.find((k) => Math.abs(v - k) < 0.05);
        return Math.fround(kink === undefined ? v : kink + (v < kink ? -0.1 : 0.1));
      });
      return [name, values];
    }),
  );
}

/** A case's node and values; another seed draws others, where the spec does not make them. */
export function trialOf(spec: Spec, case_: Spec["cases"][number], seed = 1): Trial {
  const node = declare(spec, case_);
  const sizes = node.sizes as CaseSizes;
  return { node, sizes, values: draw(spec, node, sizes, case_.why, seed) };
}

/** As the device takes them. */
export const typed = (values: Values, t: Tensor) =>
  t.dtype === "u32" ? Uint32Array.from(values) : Float32Array.from(values);
