import type { Device } from "./device";
import { LimitError } from "./errors";
import { type Draw, drawOnDevice } from "./initial-values";
import type { Segment } from "./passes/memory";
import { cutAtRows } from "./passes/memory-items";
import { outerRowBytes } from "./passes/window";
import { streamOf } from "./random";
import {
  bytesOf,
  formatShape,
  type Layout,
  type Shape,
  sizeOf,
  type Tensor,
  type VariableNode,
  type VariableRole,
  zeros,
} from "./tensor";

/** Part of a tensor's data in a buffer of the device. */
export interface Place {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** What is known of a variable besides its values. */
export interface VariableInfo {
  readonly name: string;
  readonly shape: Shape;
  readonly role: VariableRole;
  readonly trainable: boolean;
  /** How a file lays its values out. */
  readonly layout: Layout;
}

interface Stored {
  readonly info: VariableInfo;
  readonly places: readonly Place[];
}

const align = 256;
const usage = 0x80 | 0x4 | 0x8; // STORAGE | COPY_SRC | COPY_DST

/**
 * The variables of one or more compiled graphs: parameters, running statistics and optimizer slots, by name. It lives
 * on one device until that closes or `close` is called; graphs that share it see each other's updates.
 */
export class State {
  /** The seed from which new variables are initialised. */
  readonly seed: number;
  /** Optimizer steps taken: what schedules, Adam's correction and dropout's random stream continue from. */
  iteration = 0;
  readonly #variables = new Map<string, Stored>();
  readonly #buffers: GPUBuffer[] = [];
  readonly #maxBufferSize: number;
  #ensured: Promise<void> = Promise.resolve();

  constructor(
    readonly device: Device,
    { seed = 0, maxBufferSize }: { readonly seed?: number; readonly maxBufferSize?: number } = {},
  ) {
    this.seed = seed;
    this.#maxBufferSize = maxBufferSize ?? Number(device.limits.maxBufferSize);
  }

  /**
   * Allocates and initialises those variables that it does not have yet, one buffer a role where the limit allows. All of
   * them or none: what could not be initialised must not be taken for zeros the next time.
   */
  ensure(nodes: readonly VariableNode[]): Promise<void> {
    // One call after the other, so that a variable which is there already has its values.
    const added = this.#ensured.then(() => this.#add(nodes));
    this.#ensured = added.catch(() => undefined);
    return added;
  }

  async #add(nodes: readonly VariableNode[]): Promise<void> {
    const fresh = nodes.filter((node) => !this.has(node));
    if (fresh.length === 0) return;
    const buffers = await this.#allocate(fresh);
    try {
      await this.#initialise(fresh);
    } catch (error) {
      for (const { name } of fresh) this.#variables.delete(name);
      this.#buffers.splice(this.#buffers.indexOf(buffers[0] as GPUBuffer), buffers.length);
      this.device.free(buffers);
      throw error;
    }
  }

  async #initialise(nodes: readonly VariableNode[]): Promise<void> {
    const draws: Draw[] = [];
    for (const { name, init, outputs } of nodes) {
      const { shape } = outputs.y;
      const distribution = init.distribution?.(shape);
      if (distribution !== undefined) draws.push({ name, distribution, places: this.places(name) });
      else if (init !== zeros) this.#upload(name, init(shape, this.seed, streamOf(name)));
    }
    if (draws.length > 0) await drawOnDevice(this.device, this.seed, draws);
  }

  private has({ name, outputs }: VariableNode): boolean {
    const known = this.#variables.get(name);
    if (known === undefined) return false;
    if (formatShape(known.info.shape) !== formatShape(outputs.y.shape)) {
      throw new Error(
        `state: variable ${name} has shape ${formatShape(known.info.shape)}, the graph wants ${formatShape(outputs.y.shape)}; give the graph a state of its own`,
      );
    }
    return true;
  }

  async #allocate(nodes: readonly VariableNode[]): Promise<GPUBuffer[]> {
    const { buffers: sizes, places } = layoutVariables(nodes, this.#maxBufferSize);
    const buffers = await this.device.createBuffers(
      sizes.map((size) => ({ label: "variables", size, usage })),
    );
    this.#buffers.push(...buffers);
    for (const { name, role, trainable, layout, outputs } of nodes) {
      this.#variables.set(name, {
        info: { name, shape: outputs.y.shape, role, trainable, layout },
        places: (places.get(name) ?? []).map(({ buffer, offset, bytes }) => ({
          buffer: buffers[buffer] as GPUBuffer,
          offset,
          bytes,
        })),
      });
    }
    return buffers;
  }

  /** Where a variable lies, its buffers numbered; undefined when there is none of that name. */
  segments(name: string): Segment[] | undefined {
    return this.#variables
      .get(name)
      ?.places.map(({ buffer, offset, bytes }) => ({ buffer: this.#buffers.indexOf(buffer), offset, bytes }));
  }

  /** Every variable, in the order of their declaration. */
  variables(role?: VariableRole): VariableInfo[] {
    return [...this.#variables.values()]
      .map(({ info }) => info)
      .filter((info) => role === undefined || info.role === role);
  }

  /** Where a variable lies, for commands that the caller submits after awaiting the runs which they follow. */
  places(name: string): readonly Place[] {
    return this.#stored(name).places;
  }

  /** Bytes of all variables as allocated. */
  get bytes(): number {
    return this.#buffers.reduce((sum, { size }) => sum + size, 0);
  }

  #stored(name: string): Stored {
    const stored = this.#variables.get(name);
    if (stored === undefined) throw new Error(`state: there is no variable ${name}`);
    return stored;
  }

  #upload(name: string, data: Float32Array): void {
    const { info, places } = this.#stored(name);
    if (data.length !== sizeOf(info.shape)) {
      throw new Error(
        `state: ${name} ${formatShape(info.shape)} has ${sizeOf(info.shape)} values, given ${data.length}`,
      );
    }
    // The host's values would overtake runs that are not submitted yet.
    this.device.submissions.submit();
    let from = data.byteOffset;
    for (const { buffer, offset, bytes } of places) {
      this.device.gpu.queue.writeBuffer(buffer, offset, data.buffer, from, bytes);
      from += bytes;
    }
  }

  /** Replaces a variable's values, given in the engine's layout. */
  write(name: string, data: Float32Array): void {
    this.device.check();
    this.#upload(name, data);
  }

  /** A variable's values in the engine's layout. @throws DeviceLostError */
  async read(name: string): Promise<Float32Array> {
    const { info, places } = this.#stored(name);
    const result = new Float32Array(sizeOf(info.shape));
    let at = 0;
    for (const place of places) {
      result.set(new Float32Array(await readPlace(this.device, place)), at);
      at += place.bytes / 4;
    }
    return result;
  }

  /** Frees the variables. Graphs that use them must not run any more. */
  close(): void {
    this.device.free(this.#buffers);
    this.#variables.clear();
  }
}

/**
 * Lays new variables out in as few buffers as the limit allows: parameters, statistics and each kind of slot apart, for
 * a dispatch may not read one and write another in the same buffer, and in the order of declaration, so that one
 * dispatch can update many.
 */
export function layoutVariables(nodes: readonly VariableNode[], most: number) {
  const kinds = new Map<string, VariableNode[]>();
  for (const node of nodes) {
    const kind = node.role === "slot" ? `slot ${node.name.split(".").at(-1)}` : node.role;
    const own = kinds.get(kind);
    if (own === undefined) kinds.set(kind, [node]);
    else own.push(node);
  }
  const buffers: number[] = [];
  const places = new Map<string, Segment[]>();
  for (const own of kinds.values()) {
    let open = false;
    for (const node of own) {
      const parts = split(node.outputs.y, most).map((bytes): Segment => {
        const padded = Math.ceil(bytes / align) * align;
        const last = buffers.length - 1;
        if (!open || (buffers[last] ?? 0) + padded > most) {
          buffers.push(padded);
          open = true;
          return { buffer: buffers.length - 1, offset: 0, bytes };
        }
        const offset = buffers[last] ?? 0;
        buffers[last] = offset + padded;
        return { buffer: last, offset, bytes };
      });
      places.set(node.name, parts);
    }
  }
  return { buffers, places };
}

/** Copies part of a buffer to the host. */
export async function readPlace(device: Device, { buffer, offset, bytes }: Place): Promise<ArrayBuffer> {
  device.check();
  const [staging] = await device.createBuffers([{ label: "read-back", size: bytes, usage: 0x1 | 0x8 }]);
  if (staging === undefined) throw new Error("no read-back buffer");
  try {
    device.submissions.encoder().copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    device.submissions.submit();
    await device.settle(staging.mapAsync(1, 0, bytes));
    const copy = staging.getMappedRange(0, bytes).slice(0);
    device.check();
    return copy;
  } finally {
    device.free([staging]);
  }
}

/** Bytes of each part of a tensor that must be cut at row boundaries to fit buffers of at most `most` bytes. */
export function split(t: Tensor, most: number): number[] {
  const rowBytes = outerRowBytes(t);
  const parts = cutAtRows({ bytes: bytesOf(t), rowBytes }, most, align);
  if (parts !== undefined) return parts;
  throw new LimitError(
    `a row of ${formatShape(t.shape)} has ${rowBytes} bytes, the adapter's buffers ${most}; ask the device for a larger maxBufferSize`,
    rowBytes,
    most,
  );
}
