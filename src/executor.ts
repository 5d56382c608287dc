import { bindCommands, type Command } from "./bind";
import type { Device } from "./device";
import { GpuError } from "./errors";
import { ownerOf } from "./passes/step";
import {
  type GraphSpec,
  type Plan,
  type PlanLimits,
  type PlanOptions,
  parameterBlocks,
  planGraph,
  planLimits,
  readBackBuffers,
} from "./plan";
import { type OutputData, ReadBack, readBackBytes, type Wanted } from "./read-back";
import { type Place, readPlace, State } from "./state";
import { bytesOf, formatShape, type InputNode, sizeOf, type Tensor } from "./tensor";
import { Uploads, uploadBuffers, uploadBytes } from "./uploads";

/** A typed array, or a buffer of the same device that holds the values already. */
export type InputData = Float32Array | Uint32Array | GPUBuffer;

export interface GraphOptions extends PlanOptions {
  readonly device: Device;
  /** Variables to share with other graphs; a new state if not given. */
  readonly state?: State | undefined;
  /** Seed for the initial values of a new state. */
  readonly seed?: number | undefined;
  /** Limits to plan for when they are to be lower than the device's own. */
  readonly limits?: Partial<PlanLimits> | undefined;
}

const storage = 0x80 | 0x4 | 0x8; // STORAGE | COPY_SRC | COPY_DST

/** Compiles a graph for a device: makes its pipelines in parallel, allocates its memory and binds everything once. */
export async function compileGraph(spec: GraphSpec, options: GraphOptions): Promise<Executable> {
  const { device } = options;
  device.check();
  const limits = { ...planLimits(device.limits), ...options.limits };
  const { adapterClass, features, subgroupSize, matrixConfigs } = device;
  const target = { adapterClass, features, subgroupSize, matrixConfigs, limits };
  const state =
    options.state ?? new State(device, { seed: options.seed ?? 0, maxBufferSize: limits.maxBufferSize });
  const plan = planGraph(spec, target, limits, {
    ...options,
    variablePlaces: ({ name }) => state.segments(name),
  });
  try {
    return await Executable.create(plan, device, state, options.state === undefined);
  } catch (error) {
    // What is left of a failed compilation must not take up the memory that a smaller one needs.
    if (options.state === undefined) state.close();
    throw error;
  }
}

/** A compiled graph on a device. It owns its buffers until `close`; its state may be shared. */
export class Executable {
  #closed = false;
  /** The submit that its last run is part of. */
  #lastSubmit: number | undefined;
  /** Whether somebody knows where an output lies, and may give the queue commands of their own for it. */
  #isShared = false;
  readonly #undoOnClose: () => void;

  private constructor(
    readonly plan: Plan,
    readonly device: Device,
    readonly state: State,
    private readonly ownsState: boolean,
    private readonly commands: readonly Command[],
    private readonly places: ReadonlyMap<number, readonly Place[]>,
    private readonly buffers: readonly GPUBuffer[],
    private readonly textures: readonly GPUTexture[],
    private readonly uploads: Uploads,
    private readonly readBack: ReadBack,
  ) {
    this.#undoOnClose = device.onClose(() => {
      this.#closed = true;
    });
  }

  static async create(plan: Plan, device: Device, state: State, ownsState: boolean): Promise<Executable> {
    const made = plan.steps.map(({ program }) =>
      device.pipeline({
        label: program.label,
        source: program.source,
        access: program.bindings.map(({ access }) => access),
        hasParams: program.params.length > 0,
      }),
    );
    // Initial values are computed while the driver compiles; a failure of either is told when both are waited for.
    const compiled = Promise.all(made);
    compiled.catch(() => undefined);
    await state.ensure(plan.variables);
    const pipelines = await compiled;

    const blocks = parameterBlocks(plan.steps);
    const sources = [...plan.inputs, ...plan.constants];
    const outputBytes = Object.values(plan.spec.outputs).reduce((sum, t) => sum + readBackBytes(t), 0);
    const uploaded = uploadBytes(plan.inputs);
    const buffers = await device.createBuffers([
      ...plan.memory.buffers.map((size) => ({ label: "activations", size, usage: storage })),
      ...sources.map((n) => ({
        label: n.kind === "input" ? n.name : "constant",
        size: bytesOf(n.outputs.y) + (n.kind === "input" ? plan.guard : 0),
        usage: storage,
      })),
      ...(blocks.bytes > 0 ? [{ label: "parameter blocks", size: blocks.bytes, usage: 0x40 | 0x8 }] : []),
      ...Array.from({ length: readBackBuffers }, () => ({
        label: "read-back",
        size: outputBytes,
        usage: 0x1 | 0x8,
      })),
      ...Array.from({ length: uploaded > 0 ? uploadBuffers : 0 }, () => ({
        label: "upload",
        size: uploaded,
        usage: 0x2 | 0x4,
      })),
    ]);
    const textures = await device.createTextures("factors of products", plan.textures).catch((error) => {
      device.free(buffers);
      throw error;
    });
    const planned = plan.memory.buffers.length;
    const { queue } = device.gpu;
    for (const [k, node] of sources.entries()) {
      const buffer = buffers[planned + k];
      if (node.kind === "constant" && buffer !== undefined)
        queue.writeBuffer(buffer, 0, node.data.buffer, node.data.byteOffset, node.data.byteLength);
    }
    const paramsBuffer = buffers[planned + sources.length];
    if (blocks.bytes > 0 && paramsBuffer !== undefined) {
      for (const { offset, data } of blocks.blocks) queue.writeBuffer(paramsBuffer, offset, data);
    }

    const places = new Map<number, readonly Place[]>();
    for (const [id, segments] of plan.memory.placement) {
      places.set(
        id,
        segments.map(({ buffer, offset, bytes }) => ({
          buffer: buffers[buffer] as GPUBuffer,
          offset,
          bytes,
        })),
      );
    }
    for (const [k, node] of sources.entries()) {
      const t = node.outputs.y;
      places.set(t.id, [{ buffer: buffers[planned + k] as GPUBuffer, offset: 0, bytes: bytesOf(t) }]);
    }
    for (const node of plan.variables) places.set(node.outputs.y.id, state.places(node.name));

    const commands = await device.guarded("binding a graph", () =>
      bindCommands(plan, device.gpu, { pipelines, places, textures, blocks, blockBuffer: paramsBuffer }),
    );
    const host = planned + sources.length + (blocks.bytes > 0 ? 1 : 0);
    const uploads = await Uploads.open(queue, buffers.slice(host + readBackBuffers));
    const readBack = new ReadBack(device, buffers.slice(host, host + readBackBuffers));
    return new Executable(
      plan,
      device,
      state,
      ownsState,
      commands,
      places,
      buffers,
      textures,
      uploads,
      readBack,
    );
  }

  /** Number of dispatches a run. */
  get dispatchCount(): number {
    return this.commands.length;
  }

  /**
   * Runs the graph once, after all runs before it. The promise resolves when the outputs asked for have been read back;
   * where none are, when the work has been submitted. Reading submits at once, so that the next run can be prepared
   * meanwhile; short runs of which nothing is read share a submit when they are not awaited one by one.
   *
   * @param inputs by name, all of them; shapes are checked by the number of values
   * @param read names of the outputs to read back, all of them if not given
   * @throws DeviceLostError, and GpuError when the graph is closed
   */
  async run(
    inputs: Readonly<Record<string, InputData>> = {},
    read: readonly string[] = Object.keys(this.plan.spec.outputs),
  ): Promise<Record<string, OutputData>> {
    this.#check();
    const { submissions } = this.device;
    const given = this.#given(inputs);
    const wanted = read.map((name): Wanted => {
      const tensor = this.#outputNamed(name);
      return { name, tensor, places: this.places.get(ownerOf(tensor).id) ?? [] };
    });
    this.#write(given);
    for (const command of this.commands) submissions.dispatch(command);
    this.#lastSubmit = submissions.number;
    if (wanted.length > 0) {
      const results = this.readBack.copy(submissions.encoder(), wanted);
      this.#submit();
      return results();
    }
    // Others' commands may follow, of which the queue knows before those that are still gathered.
    const isVisible = this.#isShared || !this.device.isOwned || given.some(isOfCaller);
    if (isVisible || this.uploads.isFilled) this.#submit();
    else await submissions.submitSoon();
    return {};
  }

  /**
   * Runs the graph once with a timestamp around every dispatch.
   *
   * @param runsBefore runs without timestamps, submitted together with it
   * @returns nanoseconds by step of the plan
   * @throws GpuError when the adapter has no timestamp queries
   */
  async profile(inputs: Readonly<Record<string, InputData>> = {}, runsBefore = 0): Promise<number[]> {
    this.#check();
    const { gpu, features, submissions } = this.device;
    if (!features.has("timestamp-query"))
      throw new GpuError("the adapter has no timestamp queries; time whole steps instead");
    const given = this.#given(inputs);
    submissions.submit();
    const perSet = 2048;
    const times = this.plan.steps.map(() => 0);
    for (let from = 0; from < this.commands.length; from += perSet) {
      const part = this.commands.slice(from, from + perSet);
      const bytes = 16 * part.length;
      const querySet = gpu.createQuerySet({ type: "timestamp", count: 2 * part.length });
      const [resolved, staging] = await this.device.createBuffers([
        { label: "timestamps", size: bytes, usage: 0x200 | 0x4 },
        { label: "timestamps", size: bytes, usage: 0x1 | 0x8 },
      ]);
      if (resolved === undefined || staging === undefined) throw new GpuError("no timestamp buffers");
      if (from === 0) {
        this.#write(given);
        for (let k = 0; k < runsBefore; k++)
          for (const command of this.commands) submissions.dispatch(command);
      }
      for (const [k, command] of part.entries()) {
        const begin = { querySet, beginningOfPassWriteIndex: 2 * k };
        const end = { querySet, endOfPassWriteIndex: 2 * k + 1 };
        // Copies are outside of any pass, so one that does nothing marks when they begin.
        const isCopying = command.copies.length > 0;
        if (isCopying) submissions.encoder().beginComputePass({ timestampWrites: begin }).end();
        submissions.dispatch(command, isCopying ? end : { ...begin, ...end });
      }
      const encoder = submissions.encoder();
      encoder.resolveQuerySet(querySet, 0, 2 * part.length, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
      this.#submit();
      await this.device.settle(staging.mapAsync(1));
      const stamps = new BigUint64Array(staging.getMappedRange(0, bytes).slice(0));
      for (const [k, { step }] of part.entries()) {
        times[step] =
          (times[step] ?? 0) + Math.max(0, Number((stamps[2 * k + 1] ?? 0n) - (stamps[2 * k] ?? 0n)));
      }
      this.device.free([resolved, staging]);
      querySet.destroy();
    }
    return times;
  }

  /** The data of every input, checked. */
  #given(inputs: Readonly<Record<string, InputData>>): Given[] {
    return this.plan.inputs.map((node) => {
      const data = inputs[node.name];
      const [place] = this.places.get(node.outputs.y.id) ?? [];
      if (data === undefined || place === undefined) {
        throw new GpuError(
          `input ${node.name} is missing; the graph reads ${this.plan.inputs.map(({ name }) => name).join(", ")}`,
        );
      }
      checkInput(node, data, place);
      return { data, place };
    });
  }

  /** Puts the inputs on their way, before the work that is encoded next. */
  #write(given: readonly Given[]): void {
    const { submissions } = this.device;
    // The host's values would overtake a run that is not submitted yet; a buffer that cannot be copied refuses all that is
    // submitted with it.
    const mayOvertake = given.length > 0 && this.#lastSubmit === submissions.number;
    if (mayOvertake || given.some(isOfCaller)) this.#submit();
    try {
      for (const { data, place } of given) {
        if (ArrayBuffer.isView(data)) this.uploads.write(data, place, submissions);
        else
          submissions
            .encoder()
            .copyBufferToBuffer(data, 0, place.buffer, place.offset, Math.ceil(place.bytes / 4) * 4);
      }
    } finally {
      this.uploads.close();
    }
  }

  #submit(): void {
    this.device.submissions.submit();
    this.uploads.submitted();
  }

  #outputNamed(name: string): Tensor {
    const { outputs } = this.plan.spec;
    const tensor = outputs[name];
    if (tensor !== undefined) return tensor;
    throw new GpuError(`there is no output ${name}; the graph has ${Object.keys(outputs).join(", ")}`);
  }

  /**
   * Where an output lies after a run, for work that stays on the GPU.
   *
   * @throws GpuError when there is no such output, or when it is so large that it lies in several buffers
   */
  output(name: string): Place {
    const tensor = this.#outputNamed(name);
    const [place, ...more] = this.places.get(ownerOf(tensor).id) ?? [];
    if (place === undefined) throw new Error(`the output ${name} has no place`);
    if (more.length > 0)
      throw new GpuError(
        `the output ${name} ${formatShape(tensor.shape)} lies in ${more.length + 1} buffers; read it back instead`,
      );
    this.#isShared = true;
    this.#submit();
    return { ...place, bytes: bytesOf(tensor) };
  }

  /** Fills all memory that the graph plans, and its inputs, with a pattern: what a run does not write stays visible. */
  poison(pattern: number): void {
    this.#submit();
    for (const buffer of this.#exposed()) {
      this.device.gpu.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(pattern));
    }
  }

  /** Bytes outside every tensor that no longer hold the pattern of `poison`, as a line each. */
  async trespasses(pattern: number): Promise<string[]> {
    const found: string[] = [];
    const tensors = new Map(this.plan.inputs.map(({ outputs }) => [outputs.y.id, outputs.y]));
    for (const { program } of this.plan.steps)
      for (const b of program.bindings) tensors.set(ownerOf(b.tensor).id, ownerOf(b.tensor));
    for (const buffer of this.#exposed()) {
      const words = new Uint32Array(await readPlace(this.device, { buffer, offset: 0, bytes: buffer.size }));
      for (const [id, tensor] of tensors) {
        for (const place of this.places.get(id) ?? []) {
          if (place.buffer !== buffer) continue;
          const end = place.offset + Math.min(place.bytes, bytesOf(tensor));
          words.fill(pattern, place.offset / 4, Math.ceil(end / 4));
        }
      }
      const at = words.findIndex((word) => word !== pattern);
      if (at >= 0) found.push(`byte ${4 * at} of buffer ${buffer.label} was overwritten`);
    }
    return found;
  }

  #exposed(): readonly GPUBuffer[] {
    return this.buffers.slice(0, this.plan.memory.buffers.length + this.plan.inputs.length);
  }

  #check(): void {
    if (this.#closed) throw new GpuError("the graph is closed");
    this.device.check();
  }

  /** Frees the graph's buffers, and its state when that was made for it. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#undoOnClose();
    this.device.free([...this.buffers, ...this.textures]);
    if (this.ownsState) this.state.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

interface Given {
  readonly data: InputData;
  readonly place: Place;
}

const isOfCaller = ({ data }: Given): boolean => !ArrayBuffer.isView(data);

function checkInput({ name, outputs }: InputNode, data: InputData, place: Place): void {
  const { shape, dtype } = outputs.y;
  const want = `${formatShape(shape)} ${dtype}`;
  if (!ArrayBuffer.isView(data)) {
    if (data.size < place.bytes)
      throw new GpuError(`input ${name} ${want} needs ${place.bytes} bytes, its buffer has ${data.size}`);
    return;
  }
  if (data.length !== sizeOf(shape))
    throw new GpuError(`input ${name} ${want} has ${sizeOf(shape)} values, given ${data.length}`);
  const given = data instanceof Uint32Array ? "u32" : "f32";
  if (given !== dtype) throw new GpuError(`input ${name} is ${dtype}, given ${given} values`);
}
