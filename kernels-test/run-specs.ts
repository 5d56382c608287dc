import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../src/device";
import { isLowering, type Kernel } from "../src/kernel";
import { rejectsTextures } from "../src/textures";
import { checkEpilogue, checkGradient, checkVariant, variantsFor } from "./driver";
import type { Spec } from "./spec";
import { declare, trialOf } from "./trial";

/** One test an op and kind: every variant on every case that it accepts, gradients, rejections. */
export function runSpecs(specs: Readonly<Record<string, Spec>>): void {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
    console.log(`adapter: ${device.adapter.name}`);
  });
  afterAll(() => device?.close());

  for (const [name, spec] of Object.entries(specs)) {
    describe(name, () => {
      for (const kernel of spec.op.kernels) {
        const { name: variant } = kernel;
        test(`${name}/${variant} equals the reference`, async ({ skip }) => {
          const accepted = spec.cases.filter((c) =>
            variantsFor(trialOf(spec, c).node, device).includes(variant),
          );
          skip(
            accepted.length === 0 && !isLowering(kernel) && lacks(device, kernel),
            "the adapter lacks what it is made for",
          );
          expect(accepted.length, `cases that ${variant} accepts`).toBeGreaterThan(0);
          for (const case_ of accepted) {
            await named(case_.why, () => checkVariant(device, spec, trialOf(spec, case_), variant));
          }
          const [first] = accepted;
          if (first !== undefined)
            await named(first.why, () => checkEpilogue(device, spec, trialOf(spec, first), variant));
        });
      }
      if (spec.op.kernels.length > 0) {
        test(`${name}: its last kernel accepts every case`, () => {
          const last = spec.op.kernels.at(-1)?.name ?? "";
          for (const case_ of spec.cases)
            expect(variantsFor(trialOf(spec, case_).node, device), case_.why).toContain(last);
        });
      }
      if (spec.op.differentiable && spec.gradient !== false) {
        test(`${name}: gradients equal finite differences`, async () => {
          for (const case_ of spec.cases) await named(case_.why, () => checkGradient(device, spec, case_));
        });
      }
      for (const reject of spec.rejects) {
        test(`${name} refuses ${String(reject.error)}`, () => {
          expect(() => declare(spec, reject)).toThrow(reject.error);
        });
      }
    });
  }
}

/** Whether a kernel is for subgroups that this adapter has not: few invocations, always the same number. */
const lacks = (
  { adapterClass, features, subgroupSize }: Device,
  { enables = [], textures = [] }: Kernel,
): boolean =>
  enables.some((feature) => !features.has(feature)) ||
  (enables.includes("subgroups") && (subgroupSize === undefined || adapterClass === "gpu")) ||
  (textures.length > 0 && rejectsTextures(subgroupSize) !== undefined);

async function named(why: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    throw new Error(`case "${why}": ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
