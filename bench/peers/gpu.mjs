import { create, globals } from "webgpu";

/** Dawn's instance must stay reachable while anything runs. */
let instance;

/**
 * Makes WebGPU look to the peers as in a browser: `navigator.gpu`, on the adapter of this name only.
 *
 * @param {string | undefined} adapter as Dawn spells it; the system's choice if not given
 */
export function provideGpu(adapter) {
  if (instance !== undefined) return;
  instance = create([
    ...(adapter === undefined ? [] : [`adapter=${adapter}`]),
    "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia",
  ]);
  Object.assign(globalThis, globals);
  const value = { gpu: instance, hardwareConcurrency: 2, userAgent: "node" };
  Object.defineProperty(globalThis, "navigator", { value, configurable: true });
  Object.assign(globalThis, { self: globalThis });
}

/** Lets Node exit. */
export function withdrawGpu() {
  instance = undefined;
  Object.defineProperty(globalThis, "navigator", { value: undefined, configurable: true });
}
