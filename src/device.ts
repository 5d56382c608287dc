import { type AdapterDescription, describeDevice, inNode, matrixFeature, openAdapter } from "./adapters";
import { DeviceLostError, formatBytes, GpuError, KernelError, OutOfMemoryError } from "./errors";
import type { AdapterClass, MatrixConfig } from "./kernel";
import { resting } from "./rest";
import type { Access } from "./source";
import { Submissions } from "./submissions";
import { textureBytes, textureSize } from "./textures";

export interface DeviceOptions {
  /** Part of an adapter's name, or its index in `listAdapters()`; the system's choice if not given. */
  readonly adapter?: string | number | undefined;
  /** A device that the caller owns and keeps: `close` will not destroy it. */
  readonly gpuDevice?: GPUDevice | undefined;
  /** `adapter` asks for all the adapter has, `default` for what WebGPU guarantees everywhere. */
  readonly limits?: "adapter" | "default" | undefined;
  /** Dawn's toggles in Node: names to enable, `-name` to disable. Ignored in a browser. */
  readonly toggles?: readonly string[] | undefined;
}

const usefulFeatures = ["shader-f16", "timestamp-query", "subgroups", matrixFeature];

/**
 * Opens a device with all the limits of its adapter and those features that the engine uses.
 *
 * @example
 * const device = await openDevice();
 * try { … } finally { device.close(); }
 * @throws NoAdapterError when there is no adapter, or none of that name or index
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  const { gpuDevice } = options;
  if (gpuDevice !== undefined) return new Device(gpuDevice, false, describeDevice(gpuDevice));
  const { adapter, description, toggles } = await openAdapter(options.adapter, options.toggles ?? []);
  const requiredLimits = options.limits === "default" ? {} : description.limits;
  const device = await adapter.requestDevice({
    requiredFeatures: usefulFeatures.filter((f) => adapter.features.has(f)) as GPUFeatureName[],
    requiredLimits: requiredLimits as Record<string, number>,
  });
  return new Device(device, true, description, toggles);
}

/** A buffer to be made: its size in bytes is rounded up. */
export interface BufferRequest {
  readonly label: string;
  readonly size: number;
  readonly usage: GPUBufferUsageFlags;
}

/** A compute pipeline with the layout of its bind groups. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What a pipeline is made from; its identity is `source`. */
export interface PipelineRequest {
  readonly label: string;
  readonly source: string;
  readonly access: readonly Access[];
  readonly hasParams: boolean;
}

/** Memory of a device. */
type Resource = GPUBuffer | GPUTexture;

/** An open device: its memory is counted, its pipelines are cached by source text, its failures are typed. */
export class Device {
  readonly adapterClass: AdapterClass;
  readonly features: ReadonlySet<string>;
  readonly subgroupSize: number | undefined;
  readonly matrixConfigs: readonly MatrixConfig[];
  readonly limits: GPUSupportedLimits;
  /** All that goes to the queue and must keep its order goes through it. */
  readonly submissions: Submissions;
  liveBytes = 0;
  peakBytes = 0;
  #fault: GpuError | undefined;
  #closed = false;
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #held = new Map<Resource, number>();
  readonly #onClose = new Set<() => void>();

  constructor(
    readonly gpu: GPUDevice,
    /** Whether it was opened here; the queue of a device of the caller's has other work too. */
    readonly isOwned: boolean,
    readonly adapter: AdapterDescription,
    /** Dawn's toggles that it was opened with: names enabled, `-name` disabled. */
    readonly toggles: readonly string[] = [],
  ) {
    this.adapterClass = adapter.adapterClass;
    this.subgroupSize = adapter.subgroupSize;
    this.matrixConfigs = adapter.matrixConfigs;
    this.features = new Set(gpu.features);
    this.limits = gpu.limits;
    this.submissions = new Submissions(gpu);
    gpu.lost.then(({ reason, message }) => {
      if (!this.#closed)
        this.#fault = new DeviceLostError(
          `the device was lost (${reason}): ${oneLine(message)}; open a new one`,
        );
    });
    if (isOwned) {
      gpu.onuncapturederror = (event) => {
        event.preventDefault?.();
        this.#fault ??= toError(event.error, "a command");
      };
    }
  }

  /** The number of distinct pipelines made so far. */
  get pipelineCount(): number {
    return this.#pipelines.size;
  }

  /** @throws the failure that made the device unusable, if any */
  check(): void {
    if (this.#closed) throw new GpuError("the device is closed");
    if (this.#fault !== undefined) {
      const fault = this.#fault;
      // Out of memory and a refused command leave the device usable; a loss does not.
      if (!(fault instanceof DeviceLostError)) this.#fault = undefined;
      throw fault;
    }
  }

  /** Creates buffers of zeros, all of them or none. @throws OutOfMemoryError with requested, live and peak bytes */
  async createBuffers(requests: readonly BufferRequest[]): Promise<GPUBuffer[]> {
    const sizes = requests.map(({ size }) => padded(size));
    const make = () => requests.map((request) => this.#buffer(request));
    return this.#hold(requests[0]?.label ?? "a buffer", sizes, make);
  }

  /** Creates textures for so many bytes of f32 each, all of them or none. @throws as `createBuffers` */
  async createTextures(label: string, bytes: readonly number[]): Promise<GPUTexture[]> {
    // Most graphs have none, and need not wait for the device to say that it has room for them.
    if (bytes.length === 0) return [];
    const usage = 0x8 | 0x2; // STORAGE_BINDING | COPY_DST
    const make = () =>
      bytes.map((size) =>
        this.gpu.createTexture({ label, size: textureSize(size), format: "rgba32float", usage }),
      );
    return this.#hold(label, bytes.map(textureBytes), make);
  }

  /** Makes what will be counted as live, of the sizes given, all or none. */
  async #hold<R extends Resource>(label: string, sizes: readonly number[], make: () => R[]): Promise<R[]> {
    this.check();
    const { made, refusal } = await this.#allocate(make);
    if (refusal !== undefined) {
      this.check();
      const requested = sizes.reduce((sum, size) => sum + size, 0);
      throw new OutOfMemoryError(
        `out of GPU memory: ${formatBytes(requested)} requested for ${label}, ${formatBytes(this.liveBytes)} live, ${formatBytes(this.peakBytes)} at the peak; use a smaller batch (${refusal})`,
        requested,
        this.liveBytes,
        this.peakBytes,
      );
    }
    for (const [k, resource] of made.entries()) {
      const size = sizes[k] ?? 0;
      this.#held.set(resource, size);
      this.liveBytes += size;
    }
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    return made;
  }

  /** Whether there is memory for buffers of these sizes now; none of them is kept. */
  async hasRoomFor(sizes: readonly number[]): Promise<boolean> {
    this.check();
    const { made, refusal } = await this.#allocate(() =>
      sizes.map((size) => this.#buffer({ label: "a trial", size, usage: 0x80 | 0x4 | 0x8 })),
    );
    for (const buffer of made) buffer.destroy();
    return refusal === undefined;
  }

  #buffer({ label, size, usage }: BufferRequest): GPUBuffer {
    return this.gpu.createBuffer({ label, size: padded(size), usage });
  }

  /** All that is to be made, or none of it and what the device says about it. */
  async #allocate<R extends Resource>(make: () => R[]): Promise<{ made: R[]; refusal?: string }> {
    this.gpu.pushErrorScope("out-of-memory");
    this.gpu.pushErrorScope("validation");
    const made = make();
    // Both at once: another's scopes must not come between.
    const [invalid, exhausted] = await Promise.all([this.gpu.popErrorScope(), this.gpu.popErrorScope()]);
    const error = exhausted ?? invalid;
    if (error === null) return { made };
    for (const resource of made) resource.destroy();
    return { made: [], refusal: oneLine(error.message) };
  }

  /** Frees buffers and textures that it made; what is freed already stays so. */
  free(resources: Iterable<Resource>): void {
    // What was encoded may use them.
    this.submissions.submit();
    for (const resource of resources) {
      const size = this.#held.get(resource);
      if (size === undefined) continue;
      this.#held.delete(resource);
      this.liveBytes -= size;
      resource.destroy();
    }
  }

  /** The pipeline of a shader, made once a source text. @throws KernelError with the compiler's message */
  pipeline(request: PipelineRequest): Promise<Pipeline> {
    let made = this.#pipelines.get(request.source);
    if (made === undefined) {
      made = this.#createPipeline(request);
      this.#pipelines.set(request.source, made);
    }
    return made;
  }

  async #createPipeline({ label, source, access, hasParams }: PipelineRequest): Promise<Pipeline> {
    const layout = this.#layout(access, hasParams);
    // What is wrong with the shader is told below, with the kernel's name, and nowhere else.
    this.gpu.pushErrorScope("validation");
    const module = this.gpu.createShaderModule({ label, code: source });
    const refused = this.gpu.popErrorScope();
    try {
      const pipeline = await this.#wait(
        this.gpu.createComputePipelineAsync({
          label,
          layout: this.gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
          compute: { module, entryPoint: "main" },
        }),
      );
      return { pipeline, layout };
    } catch (error) {
      await this.settle(refused);
      this.check();
      const { messages } = await module.getCompilationInfo();
      const first = messages.find(({ type }) => type === "error");
      const line = first === undefined ? undefined : source.split("\n")[first.lineNum - 1]?.trim();
      const reason =
        first === undefined
          ? oneLine(error instanceof Error ? error.message : String(error))
          : `${oneLine(first.message)} at "${line}"`;
      throw new KernelError(`kernel ${label} does not compile: ${reason}`);
    }
  }

  #layout(access: readonly Access[], hasParams: boolean): GPUBindGroupLayout {
    const key = `${access.join()}${hasParams}`;
    const known = this.#layouts.get(key);
    if (known !== undefined) return known;
    const entries = access.map((a, binding) => ({ binding, visibility: 4, ...layoutEntries[a] }));
    const params = { binding: entries.length, visibility: 4, buffer: { type: "uniform" } as const };
    const made = this.gpu.createBindGroupLayout({ entries: hasParams ? [...entries, params] : entries });
    this.#layouts.set(key, made);
    return made;
  }

  /** Runs commands that validation may refuse and gives the refusal the name of what was attempted. */
  async guarded<T>(what: string, work: () => T): Promise<T> {
    this.gpu.pushErrorScope("validation");
    const result = work();
    const error = await this.gpu.popErrorScope();
    if (error !== null) {
      this.check();
      throw toError(error, what);
    }
    return result;
  }

  /** The event loop of a caller who brought the device is the caller's affair. */
  #wait<T>(work: Promise<T>): Promise<T> {
    return this.isOwned && inNode() ? resting(work) : work;
  }

  /** Turns a rejected wait for the GPU into the failure behind it: after a loss the loss itself. */
  async settle<T>(work: Promise<T>): Promise<T> {
    try {
      return await this.#wait(work);
    } catch (error) {
      // The loss is reported in a microtask of its own, after the waits that it breaks.
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.check();
      throw new GpuError(oneLine(error instanceof Error ? error.message : String(error)));
    }
  }

  /** Resolves when the work of all runs is done. @throws DeviceLostError */
  async finish(): Promise<void> {
    this.check();
    this.submissions.submit();
    await this.settle(this.gpu.queue.onSubmittedWorkDone());
    this.check();
  }

  /** Registers what must be dropped when the device closes; returns the undo. */
  onClose(action: () => void): () => void {
    this.#onClose.add(action);
    return () => this.#onClose.delete(action);
  }

  /** Frees every buffer and, unless the caller owns it, the device. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    for (const action of this.#onClose) action();
    this.#closed = true;
    this.free([...this.#held.keys()]);
    this.#pipelines.clear();
    if (this.isOwned) this.gpu.destroy();
  }

  get closed(): boolean {
    return this.#closed;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const layoutEntries: Readonly<Record<Access, Partial<GPUBindGroupLayoutEntry>>> = {
  read: { buffer: { type: "read-only-storage" } },
  read_write: { buffer: { type: "storage" } },
  texture: { storageTexture: { access: "read-only", format: "rgba32float" } },
};

const padded = (size: number): number => Math.max(16, Math.ceil(size / 16) * 16);

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim();

function toError(error: GPUError, what: string): GpuError {
  const text = oneLine(error.message);
  return /out of memory|allocation/i.test(text)
    ? new GpuError(`${what}: out of memory: ${text}`)
    : new KernelError(`${what} was refused: ${text}`);
}
