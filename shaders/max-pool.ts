import { cover, type Kernel, type KernelContext, kernel } from "../src/kernel";
import { fourChannels } from "./lib/fours";
import { poolGradTiles } from "./lib/pool-tiles";
import { list, load, loadTexel } from "./lib/product";
import { textured } from "./lib/textured";
import { wgsl } from "./wgsl";

type Pool = "N H W C P Q windowH windowW strideH strideW padH padW";

/** WGSL for kernels that record the maxima's places, for the gradient. */
const recorded = (isRecorded: boolean, text: string): string => (isRecorded ? text : "");
const tensors = (isRecorded: boolean): string[] => ["x", "y", ...(isRecorded ? ["index"] : [])];

/** One output (of one or four channels) a thread. Windows are cut to the image first, so that the loops test nothing. */
const pool = (of: 1 | 4, isRecorded: boolean): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: tensors(isRecorded), rejects: fourChannels } : {}),
    groups: ({ N, P, Q, C }) => [cover((Q * C) / of, 64), P, N],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  if (global.x >= Q * channels) { return; }
  let q = global.x / channels;
  let c = global.x - q * channels;
  let top = global.y * strideH;
  let left = q * strideW;
  // Differences below zero wrap around: adding them to the padded position gives the position in the image.
  let r0 = max(top, padH) - top;
  let r1 = min(windowH, H + padH - top);
  let s0 = max(left, padW) - left;
  let s1 = min(windowW, W + padW - left);
  let origin = (global.z * H + top - padH) * W + left - padW;
  var best = T(x[(origin + r0 * W + s0) * channels + c]);
${recorded(isRecorded, `  var place = ${of === 4 ? "vec4u" : "u32"}(r0 * windowW + s0);`)}
  for (var r = r0; r < r1; r++) {
    for (var s = s0; s < s1; s++) {
      let v = T(x[(origin + r * W + s) * channels + c]);
      // Only a greater value replaces the best: the first of equals stays.
${recorded(isRecorded, `      place = select(place, ${of === 4 ? "vec4u" : "u32"}(r * windowW + s), v > best);`)}
      best = max(best, v);
    }
  }
  let i = (global.z * P + global.y) * Q * channels + global.x;
  store_y(i, c, best);
${recorded(isRecorded, "  store_index(i, c, place);")}
}`,
  });

/** One input (of one or four channels) a thread: it looks at the windows that cover it, which are few. */
const grad = (of: 1 | 4): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["dy", "index", "dx"], rejects: fourChannels } : {}),
    groups: ({ N, H, W, C }) => [cover((W * C) / of, 64), H, N],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  if (global.x >= W * channels) { return; }
  let col = global.x / channels;
  let c = global.x - col * channels;
  let bottom = global.y + padH;
  let right = col + padW;
  let p0 = select((bottom - windowH) / strideH + 1u, 0u, bottom < windowH);
  let p1 = min(bottom / strideH + 1u, P);
  let q0 = select((right - windowW) / strideW + 1u, 0u, right < windowW);
  let q1 = min(right / strideW + 1u, Q);
  var sum = T(0.0);
  for (var p = p0; p < p1; p++) {
    let row = (global.z * P + p) * Q;
    let above = (bottom - p * strideH) * windowW;
    for (var q = q0; q < q1; q++) {
      let i = (row + q) * channels + c;
      let here = ${of === 4 ? "vec4u" : "u32"}(above + right - q * strideW);
      sum += select(T(0.0), T(dy[i]), index[i] == here);
    }
  }
  store_dx((global.z * H + global.y) * W * channels + global.x, c, sum);
}`,
  });

/** A window outside the output has its maximum nowhere. */
const gradTiles = poolGradTiles({
  vec: ["dy", "index", "dx"],
  held: { v: "vec4f", place: "vec4u" },
  load: { v: "vec4f(dy[at])", place: "select(vec4u(0xffffffffu), index[at], inside)" },
  share: (k, place) => `select(vec4f(), v${k}, place${k} == vec4u(${place}u))`,
});

/** Outputs of a strip; strips of one are for GPUs that wider ones give too few threads. */
type Strip = 1 | 4;
/** Threads of wide strips from which they keep a large GPU busy: below, single ones took 40 µs where they took 44. */
const busy = 2 ** 16;
/** Rows of outputs that a thread walks down. */
const bandRows = ({ adapterClass }: KernelContext): number => (adapterClass === "software" ? 16 : 4);

/**
 * Four channels of a strip of outputs a thread, row after row down a band: every row's maxima over the windows' columns
 * are found once for all the windows that share the row. What lies outside the image is read from its edge: a value
 * that the window holds anyway is never greater than itself, so neither maximum nor place change.
 */
const strips = (isRecorded: boolean, strip: Strip, isTextured = false): Kernel => {
  const threads = strip === 1 ? 128 : 64;
  const read = isTextured ? loadTexel : load;
  return kernel<Pool>({
    name: isTextured ? "stripsTextures" : strip === 1 ? "columns" : "strips",
    workgroup: [threads, 1, 1],
    vec: tensors(isRecorded),
    constants: ["windowH", "windowW", "strideH", "strideW"],
    rejects: ({ C, windowH, windowW, strideH, strideW }) =>
      fourChannels({ C }) ??
      (windowH * windowW > 9 || strideH > 3 || strideW > 3
        ? `a ${windowH}×${windowW} window with stride ${strideH}, ${strideW} is large`
        : undefined),
    ...(isTextured ? textured<Pool>("x", ({ N, H, W, C }) => N * H * W * C) : {}),
    ...(strip === 1
      ? {
          suits: ({ N, P, Q, C }, context) =>
            context.adapterClass === "gpu" &&
            (Math.ceil(Q / 4) * C * cover(P, bandRows(context)) * N) / 4 < busy,
        }
      : {}),
    groups: ({ N, P, Q, C }, context) => [
      cover((Math.ceil(Q / strip) * C) / 4, threads),
      cover(P, bandRows(context)),
      N,
    ],
    body: ({ windowH, windowW, strideH, strideW }, context) => {
      const columns = (strip - 1) * strideW + windowW;
      const kept = Math.max(0, windowH - strideH);
      const ahead = Math.ceil(kept / strideH);
      const each = (rows: number, item: (r: number, u: number) => string) =>
        list(rows, (r) => list(strip, (u) => item(r, u)));
      return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let first = global.x / channels;
  let c = global.x - first * channels;
  let q0 = first * ${strip}u;
  if (q0 >= Q) { return; }
${list(columns, (k) => `  let at${k} = clamp(i32(q0 * strideW + ${k}u) - i32(padW), 0, i32(W) - 1);`)}
${list(strip, (u) => `  let s${u} = max((q0 + ${u}u) * strideW, padW) - (q0 + ${u}u) * strideW;`)}
${each(windowH, (r, u) => `  var best${r}_${u} = vec4f(); ${recorded(isRecorded, `var place${r}_${u} = vec4u();`)}`)}
  let begin = global.y * ${bandRows(context)}u;
  let end = min(begin + ${bandRows(context)}u, P);
  // The first turns, before the band, only find the maxima of rows that its first windows share with those above.
  for (var p = begin - ${ahead}u; p != end; p++) {
${list(
  windowH - kept,
  (r) => `    {
      let h = clamp(i32(p * strideH + ${kept + r}u - padH), 0, i32(H) - 1);
      let row = (i32(global.z * H) + h) * i32(W);
${list(columns, (k) => `      let x${k} = ${read(4, "x", `u32(row + at${k}) * channels + c`)};`)}
${list(
  strip,
  (u) => `      var b${u} = x${u * strideW}; ${recorded(isRecorded, `var k${u} = vec4u(s${u});`)}
${list(windowW - 1, (s) => {
  const next = `x${u * strideW + s + 1}`;
  return `      ${recorded(isRecorded, `k${u} = select(k${u}, vec4u(${s + 1}u), ${next} > b${u});`)} b${u} = max(b${u}, ${next});`;
})}
      best${kept + r}_${u} = b${u}; ${recorded(isRecorded, `place${kept + r}_${u} = k${u};`)}`,
)}
    }`,
)}
    if (p >= begin && p < end) {
      let r0 = max(p * strideH, padH) - p * strideH;
      let i = ((global.z * P + p) * Q + q0) * channels + c;
${list(
  strip,
  (u) => `      if (q0 + ${u}u < Q) {
        var b = best0_${u}; ${recorded(isRecorded, `var k = r0 * windowW + place0_${u};`)}
${list(windowH - 1, (r) => {
  const next = `best${r + 1}_${u}`;
  return `        ${recorded(isRecorded, `k = select(k, ${(r + 1) * windowW}u + place${r + 1}_${u}, ${next} > b);`)} b = max(b, ${next});`;
})}
        store_y(i + ${u}u * channels, c, b);
        ${recorded(isRecorded, `store_index(i + ${u}u * channels, c, k);`)}
      }`,
)}
    }
${each(kept, (r, u) => `best${r}_${u} = best${r + strideH}_${u}; ${recorded(isRecorded, `place${r}_${u} = place${r + strideH}_${u};`)}`)}
  }
}`;
    },
  });
};

const kernels = (isRecorded: boolean): readonly Kernel[] => [
  ...(isRecorded ? [] : [strips(isRecorded, 1)]),
  strips(isRecorded, 4, true),
  strips(isRecorded, 4),
  pool(4, isRecorded),
  pool(1, isRecorded),
];
export const maxPoolKernels: readonly Kernel[] = kernels(true);
export const maxPoolValuesKernels: readonly Kernel[] = kernels(false);
export const maxPoolGradKernels: readonly Kernel[] = [gradTiles, grad(4), grad(1)];
