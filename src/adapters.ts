import { NoAdapterError } from "./errors";
import type { AdapterClass, MatrixConfig } from "./kernel";

/** What is known of an adapter before a device is opened on it. */
export interface AdapterDescription {
  /** The name by which `openDevice` chooses it. */
  readonly name: string;
  readonly backend: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  readonly adapterClass: AdapterClass;
  /** Invocations of a subgroup, where there is but one size. */
  readonly subgroupSize: number | undefined;
  /** What its matrix units compute, where it has the feature `chromium-experimental-subgroup-matrix`. */
  readonly matrixConfigs: readonly MatrixConfig[];
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
}

export const matrixFeature = "chromium-experimental-subgroup-matrix";
// Timestamps in microseconds are too coarse for a dispatch; f16 is hidden on NVIDIA without its toggle.
const defaultToggles = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia", "-timestamp_quantization"];

/**
 * Dawn's instances by their options. One that is collected takes along what it still has scheduled on Node's loop, which
 * then runs on freed memory and crashes or hangs; kept, it costs little and does not keep Node from exiting.
 */
const instances = new Map<string, GPU>();

export const inNode = (): boolean => typeof process !== "undefined" && process.versions?.node !== undefined;

/** WebGPU's entry in this process: a browser's own, else Dawn through the package `webgpu`. */
async function openGpu(toggles: readonly string[], adapter?: string): Promise<GPU> {
  if (!inNode()) {
    const scope = globalThis as { readonly navigator?: { readonly gpu?: GPU } };
    const gpu = scope.navigator?.gpu;
    if (gpu === undefined) {
      throw new NoAdapterError(
        "this browser has no WebGPU; use a current Chrome, Edge, Safari or Firefox over https",
      );
    }
    return gpu;
  }
  // The name is kept from bundlers: a browser bundle must not contain Dawn.
  const dawn = "webgpu";
  const { create, globals } = (await import(/* @vite-ignore */ dawn)) as {
    create(options: string[]): GPU;
    globals: object;
  };
  if (!("GPUBufferUsage" in globalThis)) Object.assign(globalThis, globals);
  const all = [...defaultToggles, ...toggles];
  const enabled = all.filter((t) => !t.startsWith("-"));
  const disabled = all.filter((t) => t.startsWith("-")).map((t) => t.slice(1));
  const options = [
    `enable-dawn-features=${enabled.join(",")}`,
    `disable-dawn-features=${disabled.join(",")}`,
    ...(adapter === undefined ? [] : [`adapter=${adapter}`]),
  ];
  const key = options.join(" ");
  const instance = instances.get(key) ?? create(options);
  instances.set(key, instance);
  return instance;
}

const softwareNames = /llvmpipe|lavapipe|swiftshader|software|basic render/i;

const fixedSubgroupSize = ({ subgroupMinSize, subgroupMaxSize }: GPUAdapterInfo): number | undefined =>
  subgroupMinSize === subgroupMaxSize ? subgroupMinSize : undefined;

/** Experimental, so that WebGPU's types do not have it yet. */
function matrixConfigsOf(info: GPUAdapterInfo, features: ReadonlySet<string>): MatrixConfig[] {
  const { subgroupMatrixConfigs = [] } = info as { readonly subgroupMatrixConfigs?: Iterable<MatrixConfig> };
  if (!features.has(matrixFeature)) return [];
  return Array.from(subgroupMatrixConfigs, ({ M, N, K, componentType, resultComponentType }) => ({
    M,
    N,
    K,
    componentType,
    resultComponentType,
  }));
}

function describe(name: string, backend: string, adapter: GPUAdapter): AdapterDescription {
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  const limits: Record<string, number> = {};
  for (const key in adapter.limits) {
    const value: unknown = Reflect.get(adapter.limits, key);
    if (typeof value === "number") limits[key] = value;
  }
  return {
    name: name === "" ? description || `${vendor} ${architecture}`.trim() : name,
    backend,
    vendor,
    architecture,
    description,
    adapterClass:
      isFallbackAdapter || softwareNames.test(`${name} ${architecture} ${description}`) ? "software" : "gpu",
    subgroupSize: fixedSubgroupSize(adapter.info),
    matrixConfigs: matrixConfigsOf(adapter.info, adapter.features),
    features: [...adapter.features].sort(),
    limits,
  };
}

/** What a device that its caller opened tells of its adapter. */
export function describeDevice({ adapterInfo: info, features }: GPUDevice): AdapterDescription {
  const name = info?.description || info?.device || "the caller's device";
  return {
    name,
    backend: "",
    vendor: info?.vendor ?? "",
    architecture: info?.architecture ?? "",
    description: info?.description ?? "",
    adapterClass: softwareNames.test(`${name} ${info?.architecture ?? ""}`) ? "software" : "gpu",
    subgroupSize: info === undefined ? undefined : fixedSubgroupSize(info),
    matrixConfigs: info === undefined ? [] : matrixConfigsOf(info, features),
    features: [...features].sort(),
    limits: {},
  };
}

/** Names of the adapters that Dawn sees; in a browser there is one without a name. */
async function adapterNames(): Promise<{ name: string; backend: string }[]> {
  if (typeof process === "undefined") return [{ name: "", backend: "" }];
  try {
    // Dawn tells the names only in the error about one that does not exist.
    const gpu = await openGpu([], "\u0001none");
    await gpu.requestAdapter();
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [...text.matchAll(/backend: '([^']*)', name: '([^']*)'/g)].map(([, backend = "", name = ""]) => ({
      name,
      backend,
    }));
  }
  return [];
}

/** Every adapter of this machine. */
export async function listAdapters(): Promise<AdapterDescription[]> {
  const found: AdapterDescription[] = [];
  for (const { name, backend } of await adapterNames()) {
    const gpu = await openGpu([], name === "" ? undefined : name);
    const adapter = await gpu.requestAdapter();
    if (adapter !== null) found.push(describe(name, backend, adapter));
  }
  return found;
}

const noAdapter =
  "no WebGPU adapter found; install a Vulkan driver (on Debian or Ubuntu the package mesa-vulkan-drivers has a software one)";

async function findAdapter(wanted: string | number): Promise<{ name: string; backend: string }> {
  const names = await adapterNames();
  const found =
    typeof wanted === "number" || /^\d+$/.test(wanted)
      ? names[Number(wanted)]
      : names.find(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));
  if (found !== undefined) return found;
  const list = names.map(({ name }, k) => `${name} (${k})`).join(", ");
  throw new NoAdapterError(
    names.length === 0 ? noAdapter : `no adapter matches "${wanted}"; by name or number there is ${list}`,
  );
}

/**
 * The adapter of a name or index, or the system's choice.
 *
 * @param toggles Dawn's, on top of the engine's own
 * @returns with its description and all toggles of its instance
 * @throws NoAdapterError when there is no adapter, or none of that name or index
 */
export async function openAdapter(wanted: string | number | undefined, toggles: readonly string[]) {
  const chosen = wanted === undefined ? { name: "", backend: "" } : await findAdapter(wanted);
  const gpu = await openGpu(toggles, chosen.name === "" ? undefined : chosen.name);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) {
    throw new NoAdapterError(
      chosen.name === ""
        ? noAdapter
        : `adapter ${chosen.name} gave no device; is its driver in use or broken?`,
    );
  }
  return {
    adapter,
    description: describe(chosen.name, chosen.backend, adapter),
    toggles: inNode() ? [...defaultToggles, ...toggles] : [],
  };
}
