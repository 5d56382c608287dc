import { cover, type Kernel, type KernelContext, kernel } from "../src/kernel";
import type { Op } from "../src/op";
import { wgsl } from "./wgsl";

const workgroup = [64, 1, 1] as const;

const body = ({ op }: KernelContext, vec: boolean): string => {
  const { elementwise } = op;
  if (elementwise === undefined) throw new Error(`${op.name} has no elementwise expression`);
  // Values are parameters of a function, so that they do not hide the arrays that an in-place store writes.
  const loads = Object.entries(op.operandKinds).flatMap(([name, kind]) =>
    kind === "array" ? [] : [{ name, kind }],
  );
  const load = { full: "[i]", channel: "[c]", scalar: "[0]" } as const;
  const of = vec ? 4 : 1;
  const results = Object.entries(elementwise.out);
  return wgsl`
struct Results { ${results.map(([name]) => `${name}: T`).join(", ")} }
fn compute(i: u32, c: u32, ${loads.map(({ name }) => `${name}: T`).join(", ")}) -> Results {
  ${elementwise.lets ?? ""}
  return Results(${results.map(([, expression]) => expression).join(", ")});
}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= SIZE / ${of}u) { return; }
  let c = i % (LAST / ${of}u);
  let r = compute(i, c, ${loads.map(({ name, kind }) => (kind === "scalar" ? `T(f32(${name}[0]))` : `T(${name}${load[kind]})`)).join(", ")});
  ${results.map(([name]) => `store_${name}(i, c, r.${name});`).join("\n  ")}
}`;
};

const vecNames = (op: Op): readonly string[] => [
  ...Object.keys(op.inputs).filter(
    (name) => op.operandKinds[name] === "full" || op.operandKinds[name] === "channel",
  ),
  ...Object.keys(op.outputs),
];

/** One value an invocation: serves every shape. */
const scalar = kernel<"SIZE LAST">({
  name: "scalar",
  workgroup,
  groups: ({ SIZE }) => [cover(SIZE, 64), 1, 1],
  body: (_, context) => body(context, false),
});

/** Four values an invocation. */
const vec4 = kernel<"SIZE LAST">({
  name: "vec4",
  workgroup,
  vec: vecNames,
  rejects: ({ SIZE, LAST }, { usesChannel }) => {
    if (SIZE % 4 !== 0) return `${SIZE} elements are not a multiple of 4`;
    return usesChannel && LAST % 4 !== 0 ? `the last axis is ${LAST}, not a multiple of 4` : undefined;
  },
  groups: ({ SIZE }) => [cover(SIZE / 4, 64), 1, 1],
  body: (_, context) => body(context, true),
});

export const elementwiseKernels: readonly Kernel[] = [vec4, scalar];
