import { wgsl } from "./wgsl";

/** Chains of multiply-adds that do not wait for each other: enough to fill the pipelines, few enough for 16 registers. */
const chains = 4;
const unrolled = 8;
export const invocations = 64;
/** Additions and multiplications of one invocation in one turn of the loop. */
export const flopsPerTurn = chains * unrolled * 4 * 2;

const each = (text: (chain: string) => string, join = "\n"): string =>
  Array.from({ length: chains }, (_, k) => text(`a${k}`)).join(join);

/** Multiply-adds in registers: nothing is loaded, and nothing is stored, which the compiler cannot know. */
export const multiplyAdd = wgsl`
struct Params { turns: u32, factor: f32, term: f32 }
@group(0) @binding(0) var<storage, read_write> never: array<vec4f>;
@group(0) @binding(1) var<uniform> params: Params;
@compute @workgroup_size(${invocations})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let m = vec4f(params.factor);
  let t = vec4f(params.term);
  let start = f32(id.x % 1024u) * 0.001;
  ${each((a) => `var ${a} = vec4f(start + ${a.slice(1)}.0);`)}
  for (var k = 0u; k < params.turns; k++) {
    ${Array.from({ length: unrolled }, () => each((a) => `${a} = ${a} * m + t;`, " ")).join("\n    ")}
  }
  let sum = ${each((a) => a, " + ")};
  if (sum.x < -1.0) { never[0] = sum; }
}`;

const copiers = 256;
const copied = 4;
/** Bytes that a workgroup reads, and writes. */
export const copyBytes = copiers * copied * 16;

/** Reads and writes four times four values an invocation, neighbours side by side. */
export const copy = wgsl`
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(${copiers})
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = (group.y * groups.x + group.x) * ${copiers * copied}u + local.x;
  ${Array.from({ length: copied }, (_, k) => `y[i + ${k * copiers}u] = x[i + ${k * copiers}u];`).join("\n  ")}
}`;

/** Next to nothing, but each dispatch has to wait for the one before it, as those of a network do. */
export const nothing = wgsl`
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1)
fn main() { y[0] = y[0] + 1u; }`;
