import { provideGpu } from "./gpu.mjs";
import { networks } from "./networks.mjs";
import { batchOf, parametersOf, training, valuesOf } from "./parameters.mjs";
import { inputsOf } from "./work.mjs";

/** Where build.mjs puts Striate. */
const striate = new URL(".build/striate.mjs", import.meta.url).href;

/** The names by which a library is asked for, Striate first: the others are compared with it. */
export const names = ["striate", "tfjs", "jaxjs"];

/**
 * Loads a library, and nothing of the others, on an adapter; the default one if not given.
 *
 * @param {string} name one of `names`
 * @param {string | undefined} adapter part of its name for Striate, all of it for the others
 */
export async function openPeer(name, adapter) {
  if (name === "striate") {
    const { openStriate } = await import(striate);
    return openStriate(adapter, inputsOf, { networks, parametersOf, valuesOf, batchOf, training });
  }
  provideGpu(adapter);
  if (name === "tfjs") return (await import("./tfjs.mjs")).openTfjs();
  if (name === "jaxjs") return (await import("./jaxjs.mjs")).openJaxjs();
  throw new Error(`there is no peer ${name}; there are ${names.join(", ")}`);
}
