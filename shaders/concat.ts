import { cover, type Kernel, kernel, type Sizes } from "../src/kernel";
import { wgsl } from "./wgsl";

const parts = [
  ["a", "A"],
  ["b", "B"],
  ["c", "D"],
  ["d", "E"],
] as const;

/** One value (or four) of the output a thread: the channel tells which input it comes from. */
const concat = (count: 2 | 3 | 4, of: 1 | 4): Kernel => {
  const inputs = parts.slice(0, count);
  return kernel<"SIZE C">({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4
      ? {
          vec: [...inputs.map(([name]) => name), "y"],
          rejects: (sizes: Sizes) =>
            odd(
              sizes,
              inputs.map(([, axis]) => axis),
            ),
        }
      : {}),
    groups: ({ SIZE }) => [cover(SIZE / of, 64), 1, 1],
    body: () => wgsl`
fn pick(row: u32, channel: u32) -> T {
  var at = channel;
${inputs
  .slice(0, -1)
  .map(
    ([name, axis]) =>
      `  if (at < ${axis} / ${of}u) { return T(${name}[row * (${axis} / ${of}u) + at]); }\n  at -= ${axis} / ${of}u;`,
  )
  .join("\n")}
  return T(${last(inputs)[0]}[row * (${last(inputs)[1]} / ${of}u) + at]);
}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= SIZE / ${of}u) { return; }
  let row = i / (C / ${of}u);
  let channel = i - row * (C / ${of}u);
  store_y(i, channel, pick(row, channel));
}`,
  });
};

const last = <T>(list: readonly T[]): T => {
  const item = list.at(-1);
  if (item === undefined) throw new Error("a concatenation of nothing");
  return item;
};

const odd = (sizes: Sizes, names: readonly string[]): string | undefined => {
  const name = names.find((axis) => (sizes[axis] ?? 0) % 4 !== 0);
  return name === undefined ? undefined : `${name} is ${sizes[name]}, not a multiple of 4`;
};

/** One value (or four) of the slice a thread. */
const slice = (of: 1 | 4): Kernel =>
  kernel<"SIZE C start count">({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["x", "y"], rejects: (sizes: Sizes) => odd(sizes, ["C", "start", "count"]) } : {}),
    groups: ({ SIZE }) => [cover(SIZE / of, 64), 1, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= SIZE / ${of}u) { return; }
  let row = i / (count / ${of}u);
  let c = i - row * (count / ${of}u);
  store_y(i, c, T(x[row * (C / ${of}u) + start / ${of}u + c]));
}`,
  });

/** One value (or four) of the wide tensor a thread. */
const sliceGrad = (of: 1 | 4): Kernel =>
  kernel<"SIZE C start count">({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4
      ? { vec: ["dy", "dx"], rejects: (sizes: Sizes) => odd(sizes, ["C", "start", "count"]) }
      : {}),
    groups: ({ SIZE }) => [cover(SIZE / of, 64), 1, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= SIZE / ${of}u) { return; }
  let row = i / (C / ${of}u);
  let c = i - row * (C / ${of}u);
  // Channels before the slice wrap around to huge numbers.
  let at = c - start / ${of}u;
  var v = T(0.0);
  if (at < count / ${of}u) { v = T(dy[row * (count / ${of}u) + at]); }
  store_dx(i, c, v);
}`,
  });

export const concatKernels = (count: 2 | 3 | 4): readonly Kernel[] => [concat(count, 4), concat(count, 1)];
export const sliceKernels: readonly Kernel[] = [slice(4), slice(1)];
export const sliceGradKernels: readonly Kernel[] = [sliceGrad(4), sliceGrad(1)];
