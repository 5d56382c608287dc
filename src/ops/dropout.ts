import { elementwiseKernels } from "../../shaders/elementwise";
import { philox } from "../../shaders/lib/philox";
import { type DefinedOp, defineOp, float } from "../op";

// The uniform number of element e is lane e % 4 of one Philox block, so one value and four at a time agree.
const uniformOf = (vec: boolean): string => /* wgsl */ `
${philox}
fn uniformOf(first: u32, i: u32, layer: u32, iteration: u32, key: vec2u) -> T {
  let block = ${vec ? "first / 4u + i" : "(first + i) / 4u"};
  let words = philox4x32(vec4u(block, 0u, layer, iteration), key);
  return ${vec ? "vec4f(words >> vec4u(8u))" : "f32(words[(first + i) % 4u] >> 8u)"} * ${2 ** -24};
}`;

/**
 * Dropout (Srivastava et al. 2014), scaled in training: an element is 0 with probability `p`, else x / (1 − p). The
 * choice is a function of `seed` = [key low, key high, iteration, unused], of `stream`, which tells layers apart, and
 * of the element's index; so the backward pass makes it again instead of keeping a mask.
 */
export const dropout: DefinedOp<
  { x: "..."; seed: "S : u32" },
  { y: "..." },
  { p: { kind: "float"; value: number }; stream: number }
> = defineOp({
  name: "dropout",
  inputs: { x: "...", seed: "S : u32" },
  outputs: { y: "..." },
  attrs: { p: float(0.5), stream: 0 },
  check: ({ S }, { p }) => {
    if (S !== 4) return `seed has ${S} values, expected 4: key low, key high, iteration, unused`;
    return p >= 0 && p < 1 ? undefined : `p is ${p}, expected at least 0 and below 1`;
  },
  elementwise: {
    arrays: ["seed"],
    lib: uniformOf,
    lets: "let chance = uniformOf(BASE, i, stream, seed[2], vec2u(seed[0], seed[1]));",
    out: { y: "select(T(0), x / (1.0 - p), chance >= T(p))" },
  },
  grad: ({ seed, dy }, { p, stream }) => ({ x: dropout({ x: dy, seed, p, stream }).y }),
  flops: ({ SIZE = 0 }) => SIZE,
  kernels: elementwiseKernels,
});
