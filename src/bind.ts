import type { Pipeline } from "./device";
import { ownerOf } from "./passes/step";
import { type Plan, type parameterBlocks, textureBindings } from "./plan";
import type { Place } from "./state";
import type { Dispatch } from "./submissions";
import { type TextureCopy, textureCopy } from "./textures";

/** A dispatch of a compiled graph. */
export interface Command extends Dispatch {
  readonly label: string;
  /** Index of the step in the plan. */
  readonly step: number;
}

/** What a plan's steps are bound to: pipelines by step, tensors by the id of their owner, parameter blocks in a buffer. */
interface Bound {
  readonly pipelines: readonly Pipeline[];
  readonly places: ReadonlyMap<number, readonly Place[]>;
  readonly textures: readonly GPUTexture[];
  readonly blocks: ReturnType<typeof parameterBlocks>;
  readonly blockBuffer: GPUBuffer | undefined;
}

/** Binds every dispatch of a plan once, so that a run has nothing left to look up. */
export function bindCommands(
  plan: Plan,
  gpu: GPUDevice,
  { pipelines, places, textures, blocks, blockBuffer }: Bound,
): Command[] {
  // What a step before has left in a texture need not be copied again; what a step makes is never overwritten.
  const held = new Map<GPUTexture, string>();
  return plan.steps.flatMap(({ program, dispatches }, step) => {
    const made = pipelines[step];
    if (made === undefined) throw new Error("a step has no pipeline");
    const slots = new Map(textureBindings(program).map((b, k) => [b, textures[k]]));
    return dispatches.map(({ slices, groups }, d): Command => {
      const copies: TextureCopy[] = [];
      const entries: GPUBindGroupEntry[] = program.bindings.map(({ tensor }, binding) => {
        const { id, node } = ownerOf(tensor);
        const slice = slices[binding];
        const place = places.get(id)?.[slice?.segment ?? 0];
        if (place === undefined || slice === undefined)
          throw new Error(`${program.label}: a binding has no place`);
        const offset = place.offset + slice.offset;
        const texture = slots.get(binding);
        if (texture !== undefined) {
          const content = `${id} ${slice.segment} ${slice.offset} ${slice.bytes}`;
          if (node.kind !== "op" || held.get(texture) !== content)
            copies.push(textureCopy(place.buffer, offset, slice.bytes, texture));
          held.set(texture, content);
          return { binding, resource: texture.createView() };
        }
        const guard = node.kind === "op" || node.kind === "input" ? plan.guard : 0;
        const size = Math.ceil((slice.bytes + guard) / 4) * 4;
        return { binding, resource: { buffer: place.buffer, offset, size } };
      });
      const block = blocks.offsets[step]?.[d];
      if (block !== undefined && blockBuffer !== undefined)
        entries.push({
          binding: entries.length,
          resource: { buffer: blockBuffer, offset: block.offset, size: block.bytes },
        });
      const { label } = program;
      const bindGroup = gpu.createBindGroup({ label, layout: made.layout, entries });
      return { label, pipeline: made.pipeline, bindGroup, groups, copies, step };
    });
  });
}
