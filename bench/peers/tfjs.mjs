import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-webgpu";
import { networks } from "./networks.mjs";
import { batchOf, training } from "./parameters.mjs";
import { TfjsBuilder, Variables } from "./tfjs-builder.mjs";
import { inverse, permute } from "./values.mjs";
import { inputsOf } from "./work.mjs";

const toFilter = [1, 2, 3, 0]; // [out, height, width, in] -> [height, width, in, out]

/** TensorFlow.js on the adapter that `provideGpu` gave. @returns {Promise<import("./measure.mjs").Peer>} */
export async function openTfjs() {
  if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js found no WebGPU adapter");
  await tf.ready();
  const backend = /** @type {any} */ (tf.backend());
  const finish = async () => {
    backend.endComputePassEncoder();
    if (backend.commandEncoder) backend.submitQueue();
    await backend.queue.onSubmittedWorkDone();
  };
  return {
    name: "TensorFlow.js",
    version: tf.version.tfjs,
    async prepare(row) {
      const job = row.net === undefined ? opJob(row) : networkJob(row, backend);
      return {
        run: () => job.run(),
        finish,
        results: () => job.results(),
        async close() {
          job.close();
          await finish();
          release(backend.bufferManager);
        },
      };
    },
    async close() {
      tf.removeBackend("webgpu");
    },
  };
}

/** Gives freed buffers back to the adapter; TensorFlow.js would keep them for later tensors. Other rows' jobs go on. */
function release(manager) {
  for (const buffers of manager.freeBuffers.values())
    for (const buffer of buffers.splice(0)) buffer.destroy();
  manager.numFreeBuffers = 0;
}

/** Each computes tensors by name from tensors by name; gradients through the kernels that `tf.grad` would call. */
const ops = {
  gemm: ({ a, b }) => ({ y: tf.matMul(a, b) }),
  conv2d: ({ x, w, dy }, { part, stride: strides, pad, made }) => {
    const common = { strides, pad, dataFormat: "NHWC", dimRoundingMode: undefined };
    if (part === "y") return { y: tf.conv2d(x, w, strides, pad) };
    if (part === "dx") return { dx: tf.conv2dTranspose(dy, w, made, strides, pad) };
    const filterShape = toFilter.map((a) => made[a]);
    return { dw: kernel("Conv2DBackpropFilter", { x, dy }, { ...common, filterShape }) };
  },
  depthwise: ({ x, w, dy }, { part, stride: strides, pad, made }) => {
    const common = { strides, pad, dilations: [1, 1], dimRoundingMode: undefined };
    if (part === "y") return { y: tf.depthwiseConv2d(x, w, strides, pad) };
    if (part === "dx")
      return {
        dx: kernel("DepthwiseConv2dNativeBackpropInput", { dy, filter: w }, { ...common, inputShape: made }),
      };
    const filterShape = [...made, 1];
    return { dw: kernel("DepthwiseConv2dNativeBackpropFilter", { x, dy }, { ...common, filterShape }) };
  },
  maxPool: ({ x, dy, y }, { part, stride: strides, pad }) => {
    if (part === "y") return { y: tf.maxPool(x, 3, strides, pad) };
    const attrs = { filterSize: [3, 3], strides: [strides, strides], pad };
    return { dx: kernel("MaxPoolGrad", { dy, input: x, output: y }, attrs) };
  },
  batchNorm: ({ x, gamma, beta, dy }) => {
    const forward = (x, gamma, beta) => {
      const { mean, variance } = tf.moments(x, [0, 1, 2]);
      return tf.batchNorm(x, mean, variance, beta, gamma, training.eps);
    };
    const [dx, dgamma, dbeta] = tf.grads(forward)([x, gamma, beta], dy);
    return { dx, dgamma, dbeta };
  },
  add: ({ a, b }) => ({ y: tf.add(a, b) }),
  relu: ({ x, dy }) => ({ dx: tf.grad((x) => tf.relu(x))(x, dy) }),
};

const kernel = (name, inputs, attrs) => tf.engine().runKernel(name, inputs, attrs);

function opJob(row) {
  const inputs = Object.fromEntries(
    Object.entries(inputsOf(row)).map(([name, data]) => {
      const shape = row.inputs[name];
      if (name !== "w") return [name, tf.tensor(data, shape)];
      return row.kind === "depthwise"
        ? [name, tf.tensor(data, [...shape, 1])]
        : [
            name,
            tf.tensor(
              permute(data, shape, toFilter),
              toFilter.map((a) => shape[a]),
            ),
          ];
    }),
  );
  if (row.kind === "maxPool" && row.part === "dx") inputs.y = tf.maxPool(inputs.x, 3, row.stride, row.pad);
  let last = {};
  const drop = () => tf.dispose(last);
  return {
    run() {
      drop();
      last = tf.tidy(() => ops[row.kind](inputs, row));
    },
    async results() {
      const found = {};
      for (const [name, tensor] of Object.entries(last)) {
        const data = await tensor.data();
        found[name] =
          name === "dw" && row.kind === "conv2d" ? permute(data, tensor.shape, inverse(toFilter)) : data;
      }
      return found;
    },
    close() {
      drop();
      tf.dispose(inputs);
    },
  };
}

function networkJob(row, backend) {
  const { net, size, batch, part } = row;
  const { define, watch } = networks[net];
  const isTraining = part === "train";
  const bindable = backend.device.limits.maxStorageBufferBindingSize;
  const variables = new Variables(net, size, { bindable, isTraining, exchanged: row.kind !== "cold" });
  const builder = new TfjsBuilder(variables, isTraining);
  const optimizer = tf.train.momentum(training.learningRate, training.momentum);
  const trained = variables.trainable();
  let number = 0;
  let last;
  return {
    run() {
      last?.dispose();
      const { image, label } = batchOf(row, number++);
      const x = tf.tensor(image, [batch, size, size, 3]);
      if (isTraining) {
        const targets = tf.tidy(() => tf.oneHot(tf.tensor1d(Int32Array.from(label), "int32"), 1000));
        last = optimizer.minimize(
          () => /** @type {tf.Scalar} */ (tf.losses.softmaxCrossEntropy(targets, define(builder, x))),
          true,
          trained,
        );
        targets.dispose();
      } else {
        last = tf.tidy(() => define(builder, x));
      }
      x.dispose();
    },
    async results() {
      const found = { [isTraining ? "loss" : "logits"]: await last.data() };
      if (isTraining) for (const name of watch) found[name] = await variables.change(name);
      return found;
    },
    close() {
      last?.dispose();
      optimizer.dispose();
      variables.dispose();
    },
  };
}
