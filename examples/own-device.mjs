// Embeds a network in a program that has a GPUDevice of its own: its buffers go in, the results stay on the GPU, and the
// device outlives the network. Here the device comes from Dawn; in a browser it is navigator.gpu's.
//   node examples/own-device.mjs
import { compile, lenet5, openDevice } from "striate";
import { create, globals } from "webgpu";

Object.assign(globalThis, globals);
const gpu = create([]); // keep it as long as anything runs
const adapter = await gpu.requestAdapter();
const gpuDevice = await adapter?.requestDevice();
if (gpuDevice === undefined) throw new Error("there is no WebGPU adapter");

const batch = 4;
const device = await openDevice({ gpuDevice });
const net = await compile(lenet5(), { device, batch, seed: 1 });

// The program's own buffer, [N, H, W, C]: written here by the host, or by a shader of its own.
const pixels = Float32Array.from({ length: batch * 32 * 32 }, (_, k) => Math.sin(k));
const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
const image = gpuDevice.createBuffer({ size: pixels.byteLength, usage: STORAGE | COPY_SRC | COPY_DST });
gpuDevice.queue.writeBuffer(image, 0, pixels);

const { probabilities } = await net.run({ image });
console.log(
  `probabilities of the first image: ${[...probabilities.subarray(0, 10)].map((p) => p.toFixed(3)).join(" ")}`,
);

// Without reading anything back: the logits lie in a buffer that commands of the program can bind or copy.
await net.executable.run({ image }, []);
const { buffer, offset, bytes } = net.executable.output("logits");
const staging = gpuDevice.createBuffer({ size: bytes, usage: MAP_READ | COPY_DST });
const encoder = gpuDevice.createCommandEncoder();
encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
gpuDevice.queue.submit([encoder.finish()]);
await staging.mapAsync(GPUMapMode.READ);
const [first] = new Float32Array(staging.getMappedRange());
console.log(`the first logit, copied by the program itself: ${first}`);
staging.unmap();

net.close();
device.close(); // frees what Striate made; the device is the program's and still works
gpuDevice.queue.writeBuffer(image, 0, pixels.fill(0));
await gpuDevice.queue.onSubmittedWorkDone();
console.log("the device is still there");
gpuDevice.destroy();
