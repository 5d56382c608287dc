import type { Device } from "../../src/device";

/** What the adapter does at most, measured now: multiplications and additions, and bytes read and written, a second. */
export interface Peaks {
  readonly arithmetic: number;
  readonly bandwidth: number;
}

const chains = 8;
const unrolled = 8;
const group = 64;
const groupsOfArithmetic = 4096;

/** Independent chains hide the latency of a multiply-add, and stay in the registers of 16-register machines. */
const arithmetic = /* wgsl */ `
@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read_write> result: array<f32>;
@group(0) @binding(2) var<uniform> turns: u32;
@compute @workgroup_size(${group})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let x = source[0];
  let y = source[1];
  ${each((k) => `var a${k} = source[(id.x + ${k}u) % 64u];`)}
  for (var turn = 0u; turn < turns; turn++) {
    ${Array.from({ length: unrolled }, () => each((k) => `a${k} = fma(a${k}, x, y);`)).join("\n    ")}
  }
  result[id.x] = ${Array.from({ length: chains }, (_, k) => `a${k}`).join(" + ")};
}`;

const copy = /* wgsl */ `
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> result: array<vec4f>;
@group(0) @binding(2) var<uniform> count: u32;
@compute @workgroup_size(${group})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = id.y * groups.x * ${group}u + id.x;
  if (i < count) { result[i] = source[i]; }
}`;

function each(statement: (k: number) => string): string {
  return Array.from({ length: chains }, (_, k) => statement(k)).join(" ");
}

/** A sample lasts about this long. */
const wanted = 40;

/** A meter that is read again and again between other measurements, because the machine drifts. */
export async function openPeaks(device: Device) {
  const { gpu, limits } = device;
  const bytes = Math.min(64 * 2 ** 20, limits.maxStorageBufferBindingSize);
  const values = new Float32Array(64).fill(0.25).fill(0.5, 0, 1);
  const [source, result, turns, count] = await device.createBuffers([
    { label: "peaks source", size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST },
    { label: "peaks result", size: bytes, usage: GPUBufferUsage.STORAGE },
    { label: "peaks turns", size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST },
    { label: "peaks count", size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST },
  ]);
  if (source === undefined || result === undefined || turns === undefined || count === undefined) {
    throw new Error("peaks: the device made too few buffers");
  }
  gpu.queue.writeBuffer(source, 0, values);
  const vectors = bytes / 16;
  gpu.queue.writeBuffer(count, 0, Uint32Array.of(vectors));

  const prepare = (code: string, parameter: GPUBuffer, groups: readonly [number, number]) => {
    const module = gpu.createShaderModule({ code });
    const pipeline = gpu.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } });
    const bindGroup = gpu.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [source, result, parameter].map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    /** Milliseconds from the call to the completed queue. */
    return async (repeat: number) => {
      const start = performance.now();
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      for (let k = 0; k < repeat; k++) pass.dispatchWorkgroups(...groups);
      pass.end();
      gpu.queue.submit([encoder.finish()]);
      await device.finish();
      return performance.now() - start;
    };
  };
  const groupsOfCopy = Math.ceil(vectors / group);
  const folded = Math.ceil(groupsOfCopy / limits.maxComputeWorkgroupsPerDimension);
  const runArithmetic = prepare(arithmetic, turns, [groupsOfArithmetic, 1]);
  const runCopy = prepare(copy, count, [Math.ceil(groupsOfCopy / folded), folded]);

  // So many turns and repetitions that a sample lasts long enough.
  let work = 16;
  const setWork = () => gpu.queue.writeBuffer(turns, 0, Uint32Array.of(work));
  setWork();
  await runArithmetic(1);
  for (let time = await runArithmetic(1); time < wanted / 2; time = await runArithmetic(1)) {
    work *= 2;
    setWork();
  }
  await runCopy(1);
  const repeat = Math.max(1, Math.round(wanted / (await runCopy(1))));

  return {
    async sample(): Promise<Peaks> {
      const multiplyAdds = groupsOfArithmetic * group * work * chains * unrolled;
      const arithmetic = (2 * multiplyAdds) / (await runArithmetic(1));
      const bandwidth = (2 * bytes * repeat) / (await runCopy(repeat));
      return { arithmetic: arithmetic * 1000, bandwidth: bandwidth * 1000 };
    },
    close: () => device.free([source, result, turns, count]),
  };
}
