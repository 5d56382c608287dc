import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../src/device";
import { float32Tensor } from "../src/io/dtypes";
import { toFile } from "../src/io/layout";
import { parseSafetensors, type SafetensorsTensor, serializeSafetensors } from "../src/io/safetensors";
import { modelNamed, models } from "../src/models";
import { zeros } from "../src/nn/initializers";
import { declareModel } from "../src/nn/model";
import { State } from "../src/state";
import { loadWeights } from "../src/train/checkpoint";
import { readStateDict } from "./golden/figures";
import { fixtureOf } from "./golden/fixtures";

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(() => device?.close());

const [classes, hidden] = [3, 5];

/** A file with the package's names in the package's order, for 3 classes and narrow hidden layers. */
function fileOf(model: string): Map<string, SafetensorsTensor> {
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [k, [name, shape, kind]] of readStateDict(fixtureOf(model)).tensors.entries()) {
    const narrow = shape.map((size) => (size === 1000 ? classes : size === 4096 ? hidden : size));
    if (model === "lenet5" && name.startsWith("output")) narrow[0] = classes;
    const values = new Float32Array(narrow.reduce((a, b) => a * b, 1));
    for (let i = 0; i < values.length; i++) values[i] = ((i + 7 * k) % 8191) / 8192;
    tensors.set(name, float32Tensor(narrow, values));
    // torchvision's files count batches, which nothing here depends on.
    if (kind === "buffer" && name.endsWith("running_var"))
      tensors.set(name.replace("running_var", "num_batches_tracked"), {
        dtype: "I64",
        shape: [],
        data: new Uint8Array(8),
      });
  }
  return tensors;
}

test.each(Object.keys(models).filter((name) => name !== "mnist-cnn"))(
  "published weights of %s load by name",
  async (name) => {
    const wide = /alexnet|zfnet|vgg/.test(name) ? { hidden } : {};
    const { trace } = declareModel(modelNamed(name, { classes, ...wide }), 1, { auxiliaries: true });
    const state = new State(device);
    try {
      await state.ensure([...trace.variables.values()].map((node) => ({ ...node, init: zeros })));
      const written = fileOf(name);
      const { tensors } = parseSafetensors(serializeSafetensors(written), "weights.safetensors");
      const report = loadWeights({ file: "weights.safetensors", tensors, info: undefined }, state);
      expect(report).toMatchObject({ missing: [], unexpected: [], misshapen: [] });
      expect(report.loaded).toHaveLength(trace.variables.size);
      for (const { name: own, shape, layout } of state.variables()) {
        const back = toFile(await state.read(own), shape, layout);
        const { data, shape: fileShape } = written.get(own) as SafetensorsTensor;
        expect(back.shape, own).toEqual(fileShape);
        const bytes = Buffer.from(back.data.buffer, back.data.byteOffset, back.data.byteLength);
        expect(bytes.equals(data), own).toBe(true);
      }
    } finally {
      state.close();
    }
  },
);
