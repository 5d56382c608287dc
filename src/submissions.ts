import { copyToTexture, type TextureCopy } from "./textures";

/** A dispatch with all that it binds. */
export interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly groups: readonly [number, number, number];
  /** What must be in textures before it runs. */
  readonly copies: readonly TextureCopy[];
}

/** Dispatches that are worth a submit of their own: one costs as much as encoding about fifteen; more would wait longer. */
const enough = 64;

/**
 * Commands on their way to a device's queue. They are gathered in one encoder, dispatches that follow one another in one
 * pass, until somebody waits for them: short runs one after the other then share what a pass and a submit cost.
 */
export class Submissions {
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  /** The pipeline that the pass has. */
  #pipeline: GPUComputePipeline | undefined;
  #dispatches = 0;
  #soon: Promise<void> | undefined;
  #number = 0;

  constructor(private readonly gpu: GPUDevice) {}

  /** The number of the submit that the next command is part of. */
  get number(): number {
    return this.#number;
  }

  /** For commands outside of passes, after all that was encoded before. */
  encoder(): GPUCommandEncoder {
    this.#pass?.end();
    this.#pass = undefined;
    this.#encoder ??= this.gpu.createCommandEncoder();
    return this.#encoder;
  }

  /** Encodes a dispatch and the copies before it; with timestamps in a pass of its own. */
  dispatch(
    { pipeline, bindGroup, groups, copies }: Dispatch,
    timestampWrites?: GPUComputePassTimestampWrites,
  ): void {
    for (const copy of copies) copyToTexture(this.encoder(), copy);
    let pass = timestampWrites === undefined ? this.#pass : undefined;
    if (pass === undefined) {
      pass = this.encoder().beginComputePass(timestampWrites && { timestampWrites });
      this.#pass = pass;
      this.#pipeline = undefined;
    }
    if (pipeline !== this.#pipeline) pass.setPipeline(pipeline);
    this.#pipeline = pipeline;
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
    this.#dispatches++;
    // What follows is not to be timed with it.
    if (timestampWrites !== undefined) this.encoder();
  }

  /** Submits all that was encoded, if anything was. */
  submit(): void {
    if (this.#encoder === undefined) return;
    const commands = this.encoder().finish();
    this.#encoder = undefined;
    this.#dispatches = 0;
    this.#number++;
    this.gpu.queue.submit([commands]);
  }

  /** Resolves when what was encoded has been submitted: at once where it is enough, else with what its caller still adds. */
  submitSoon(): Promise<void> {
    if (this.#dispatches >= enough) this.submit();
    if (this.#encoder === undefined) return Promise.resolve();
    this.#soon ??= Promise.resolve().then(() => {
      this.#soon = undefined;
      this.submit();
    });
    return this.#soon;
  }
}
