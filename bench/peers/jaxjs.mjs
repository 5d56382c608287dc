import { readFileSync } from "node:fs";
import {
  blockUntilReady,
  defaultDevice,
  getWebGPUDevice,
  init,
  jit,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
  vjp,
} from "@jax-js/jax";
import { arraysOf, changeOf, convolve, JaxjsBuilder, maxPool, moments, normalize } from "./jaxjs-builder.mjs";
import { networks } from "./networks.mjs";
import { batchOf, parametersOf, training } from "./parameters.mjs";
import { inverse, permute } from "./values.mjs";
import { inputsOf } from "./work.mjs";

const pictures = [0, 3, 1, 2]; // NHWC -> NCHW
/** Where its layout differs from that of work.mjs, by kind of row and name of tensor. */
const ordersOf = {
  conv2d: { x: pictures, dy: pictures, y: pictures, dx: pictures, w: [0, 3, 1, 2], dw: [0, 3, 1, 2] },
  depthwise: { x: pictures, dy: pictures, y: pictures, dx: pictures, w: [2, 0, 1], dw: [2, 0, 1] },
  maxPool: { x: pictures, dy: pictures, y: pictures, dx: pictures },
  batchNorm: { x: pictures, dy: pictures, y: pictures, dx: pictures },
};

const manifest = new URL("./node_modules/@jax-js/jax/package.json", import.meta.url);

/**
 * jax-js on the adapter that `provideGpu` gave: it needs nothing but `navigator.gpu`, though it declares Node
 * unsupported. Everything is compiled by its own `jit`, gradients included.
 *
 * @returns {Promise<import("./measure.mjs").Peer>}
 */
export async function openJaxjs() {
  if (!(await init("webgpu")).includes("webgpu")) throw new Error("jax-js found no WebGPU adapter");
  defaultDevice("webgpu");
  const { limits } = getWebGPUDevice();
  return {
    name: "jax-js",
    /** Its first run of a network can take many minutes: tried in a process of its own before. */
    isSlowToStart: true,
    version: JSON.parse(readFileSync(manifest, "utf8")).version,
    prepare: async (row) => (row.net === undefined ? opJob(row) : networkJob(row, limits)),
    close: async () => {},
  };
}

/**
 * Runs a compiled function again and again. jax-js submits work only once somebody waits for it, and drops it if its
 * results are disposed of before; so the results of a run are kept until those of the next one are on their way.
 */
function repeater(call) {
  let last;
  let ready = Promise.resolve();
  return {
    async run() {
      const [previous, before] = [last, ready];
      last = call();
      ready = blockUntilReady(last);
      await before;
      tree.dispose(previous);
    },
    finish: () => ready,
    last: () => last,
    close() {
      tree.dispose(last);
      last = undefined;
    },
  };
}

/** The derivative of `f` at `at` along `dy`, by its own reverse mode; `y` too where the row asks for it. */
function pullBack(f, at, dy) {
  const [y, back] = vjp(f, at);
  const gradients = back(dy.ref);
  back.dispose();
  return { y, gradients };
}

/** Each maps tensors by name to tensors by name, as a user would write it: a function and its `vjp`. */
const ops = {
  gemm: ({ a, b }) => ({ y: np.matmul(a, b) }),
  conv2d: (given, row) => convolution(given, row, 1),
  depthwise: (given, row) => convolution(given, row, (given.x ?? given.dy).shape[1]),
  maxPool: ({ x, dy }, { part, stride, pad }) =>
    part === "y"
      ? { y: maxPool(x, 3, stride, pad) }
      : { dx: pullBack((x) => maxPool(x, 3, stride, pad), [x], dy).gradients[0] },
  batchNorm: ({ x, gamma, beta, dy }) => {
    const forward = (x, gamma, beta) => normalize(x, moments(x), gamma.ref, beta.ref);
    const { y, gradients } = pullBack(forward, [x, gamma, beta], dy);
    return { y, dx: gradients[0], dgamma: gradients[1], dbeta: gradients[2] };
  },
  add: ({ a, b }) => ({ y: a.add(b) }),
  relu: ({ x, dy }) => {
    const { y, gradients } = pullBack((x) => nn.relu(x), [x], dy);
    return { y, dx: gradients[0] };
  },
};

/** A convolution is linear in either input: its gradient needs a shape of the other side, not its values. */
function convolution({ x, w, dy }, { part, stride, pad, made, kind }, groups) {
  if (part === "y") return { y: convolve(x, w, stride, pad, groups) };
  const shape = ordersOf[kind][part].map((axis) => made[axis]);
  if (part === "dx") {
    const at = np.zeros(shape);
    return { dx: pullBack((x) => convolve(x, w.ref, stride, pad, groups), [at], dy).gradients[0] };
  }
  if (kind === "depthwise") shape.splice(1, 0, 1);
  const at = np.zeros(shape);
  return { dw: pullBack((w) => convolve(x.ref, w.ref, stride, pad, groups), [at], dy).gradients[0] };
}

function opJob(row) {
  const orders = ordersOf[row.kind] ?? {};
  const inputs = Object.fromEntries(
    Object.entries(inputsOf(row)).map(([name, data]) => {
      const shape = row.inputs[name];
      const order = orders[name];
      if (order === undefined) return [name, np.array(data).reshape(shape)];
      const own = order.map((axis) => shape[axis]);
      if (row.kind === "depthwise" && name === "w") own.splice(1, 0, 1);
      return [name, np.array(permute(data, shape, order)).reshape(own)];
    }),
  );
  const compiled = jit((given) => ops[row.kind](given, row));
  const { run, finish, last, close } = repeater(() => compiled(tree.ref(inputs)));
  return {
    run,
    finish,
    async results() {
      const found = {};
      for (const [name, tensor] of Object.entries(last())) {
        const order = orders[name];
        const shape = tensor.shape.filter(
          (_, axis) => !(row.kind === "depthwise" && name === "dw" && axis === 1),
        );
        const data = await tensor.ref.data();
        found[name] = order === undefined ? data : permute(data, shape, inverse(order));
      }
      return found;
    },
    close() {
      close();
      tree.dispose(inputs);
      compiled.dispose();
    },
  };
}

/** A network's picture of a run, in jax-js's layout. */
const pictureOf = (image, { batch, size }) =>
  np.array(permute(image, [batch, size, size, 3], pictures)).reshape([batch, 3, size, size]);

function networkJob(row, limits) {
  const { trained, running } = arraysOf(row.net, row.size, limits.maxStorageBufferBindingSize);
  return row.part === "train" ? trainingJob(row, trained, running) : forwardJob(row, trained, running);
}

function forwardJob(row, trained, running) {
  const { define } = networks[row.net];
  const values = { ...trained, ...running };
  const compiled = jit((values, x) => define(new JaxjsBuilder(values, false), x));
  let number = 0;
  const { run, finish, last, close } = repeater(() =>
    compiled(tree.ref(values), pictureOf(batchOf(row, number++).image, row)),
  );
  return {
    run,
    finish,
    results: async () => ({ logits: await last().ref.data() }),
    close() {
      close();
      tree.dispose(values);
      compiled.dispose();
    },
  };
}

/** Forward, loss, backward and update, compiled as one function from the old values to the new ones. */
function trainingJob(row, trained, running) {
  const { net } = row;
  const { define, watch } = networks[net];
  const { learningRate, momentum } = training;
  const lossOf = (trained, running, x, label) => {
    const builder = new JaxjsBuilder({ ...trained, ...running }, true);
    const logits = define(builder, x);
    const chosen = nn.logSoftmax(logits).mul(nn.oneHot(label, 1000));
    return [np.sum(chosen).mul(-1 / row.batch), builder.updated];
  };
  const compiled = jit(({ trained, velocity, running }, x, label) => {
    const differentiated = valueAndGrad(lossOf, { hasAux: true });
    const [[loss, updated], gradients] = differentiated(tree.ref(trained), running, x, label);
    const moved = tree.map((v, g) => v.mul(momentum).add(g), velocity, gradients);
    const next = tree.map((p, v) => p.sub(v.mul(learningRate)), trained, tree.ref(moved));
    return { loss, state: { trained: next, velocity: moved, running: updated } };
  });
  let state = { trained, velocity: tree.map((p) => np.zerosLike(p.ref), trained), running };
  let number = 0;
  const { run, finish, last, close } = repeater(() => {
    const { image, label } = batchOf(row, number++);
    const labels = np.array(Int32Array.from(label));
    const made = compiled(tree.ref(state), pictureOf(image, row), labels);
    tree.dispose(state);
    state = tree.ref(made.state);
    return made;
  });
  return {
    run,
    finish,
    async results() {
      const found = { loss: await last().loss.ref.data() };
      for (const parameter of parametersOf(net, row.size)) {
        if (!watch.includes(parameter.name)) continue;
        found[parameter.name] = await changeOf(parameter, state.trained[parameter.name]);
      }
      return found;
    },
    close() {
      close();
      tree.dispose(state);
      compiled.dispose();
    },
  };
}
