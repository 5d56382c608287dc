import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../src/device";
import { modelNamed } from "../src/models";
import { compile, type TrainingNetwork } from "../src/nn/compile";
import { crossEntropy } from "../src/nn/losses";
import type { Model, ModelOptions } from "../src/nn/model";
import { adam } from "../src/nn/optimizers";
import { streamOf, uniforms } from "../src/random";
import { writeGolden } from "./golden/start";

/** How a network is made to learn eight random images by heart. */
export interface LearningCase {
  readonly model: string;
  /** The smallest images that it takes, or near it. */
  readonly size: number;
  readonly options?: ModelOptions;
  /** Learning rate of Adam. */
  readonly lr: number;
  /** Steps that it may take until the loss is below 0.05. */
  readonly within: number;
  /**
   * Starts with variances that ReLU keeps (He et al. 2015) instead of the paper's: N(0, 0.01²) is meant for 4096 hidden
   * units and all but silences 64.
   */
  readonly keepsVariance?: boolean;
}

const batch = 8;
const classes = 4;
/** Steps after which two runs are compared. */
const compared = 2;

/** Eight images of random colours in 4×4 cells: in noise as fine as the pixels, deep features would see all alike. */
function randomImages([H, W, C]: Model["input"]): Float32Array {
  const cells = 4;
  const colours = uniforms(1, streamOf("colours"), batch * cells * cells * C);
  const image = new Float32Array(batch * H * W * C);
  let at = 0;
  for (let n = 0; n < batch; n++)
    for (let h = 0; h < H; h++)
      for (let w = 0; w < W; w++) {
        const cell = (n * cells + Math.floor((h * cells) / H)) * cells + Math.floor((w * cells) / W);
        for (let c = 0; c < C; c++) image[at++] = 2 * (colours[cell * C + c] ?? 0) - 1;
      }
  return image;
}

/** Of every parameter, statistic and slot, all its bits. */
async function digests({ state }: TrainingNetwork): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const { name } of state.variables())
    found[name] = createHash("sha256")
      .update(await state.read(name))
      .digest("hex");
  return found;
}

/** One test a network: memory as stated, the same bits from the same seed, and a loss below 0.05. */
export function testLearning(cases: readonly LearningCase[]): void {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
    console.log(`adapter: ${device.adapter.name}`);
  });
  afterAll(() => device?.close());

  test.each(cases)(
    "$model learns eight images by heart, the same way every time",
    async ({ model, size, options, lr, within, keepsVariance = false }) => {
      const net = modelNamed(model, { classes, imageSize: size, ...options });
      const image = randomImages(net.input);
      const label = Uint32Array.from({ length: batch }, (_, n) => n % classes);
      const start = async () => {
        const loss = crossEntropy();
        const step = await compile(net, { device, batch, loss, optimizer: adam({ lr }), seed: 1 });
        if (keepsVariance) writeGolden(step.state, { seed: 1 });
        return step;
      };
      const take = async (step: TrainingNetwork, steps: number, until = 0) => {
        const losses: number[] = [];
        while (losses.length < steps && !((losses.at(-1) ?? 1) < until))
          losses.push((await step.run({ image, label })).loss);
        return losses;
      };
      expect(device.liveBytes).toBe(0);
      let losses: number[];
      let bits: Record<string, string>;
      {
        using step = await start();
        const stated = step.plan.bytes.total;
        losses = await take(step, compared);
        expect(Math.abs(device.liveBytes / stated - 1), "live against stated bytes").toBeLessThan(0.01);
        bits = await digests(step);
        const rest = await take(step, within - compared, 0.05);
        expect(rest.at(-1), `losses ${[...losses, ...rest].map((l) => l.toFixed(3))}`).toBeLessThan(0.05);
      }
      using again = await start();
      expect(await take(again, compared)).toEqual(losses);
      expect(await digests(again)).toEqual(bits);
    },
    600_000,
  );
}
