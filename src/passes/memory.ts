/**
 * Memory: which bytes of which buffer each tensor of a dispatch sequence occupies.
 *
 * A buffer bound for writing in a dispatch may not be bound for reading in it, even at disjoint ranges, so one arena
 * cannot do: tensors are packed by lifetime into a few of them (packing.ts).
 */

import { itemsOf, livesOf, worstMoment } from "./memory-items";
import { search } from "./packing";

/** A tensor to place: `rowBytes` is one row of its outermost axis, where it may be cut if no buffer can hold it. */
export interface MemoryTensor {
  readonly id: number;
  readonly bytes: number;
  readonly rowBytes: number;
}

/** The ids that one dispatch binds; an id in both lists is updated in place and is bound once, for writing. */
export interface MemoryDispatch {
  readonly reads: readonly number[];
  readonly writes: readonly number[];
}

/** The adapter's limits, in bytes: the largest buffer (or binding), and the alignment of a binding's offset. */
export interface MemoryLimits {
  readonly maxBufferBytes: number;
  readonly align: number;
}

export interface MemoryOptions {
  /** Live from before the first dispatch: what the host writes ahead of the step. */
  readonly fromStart?: ReadonlySet<number>;
  /** Live to the end: what is read after the last dispatch. */
  readonly keepAlive?: ReadonlySet<number>;
  /**
   * Groups to stand one behind the other, in this order and in one buffer, each member's size rounded up to `align`.
   * A group that cannot (larger than a buffer, or one member is read where another is written) becomes several runs.
   */
  readonly adjacent?: readonly (readonly number[])[];
}

export interface Segment {
  readonly buffer: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface MemoryPlan {
  /** Bytes of each buffer. */
  readonly buffers: readonly number[];
  /** By tensor: one segment; several, in order, for a tensor larger than a buffer; none for one without bytes or uses. */
  readonly placement: ReadonlyMap<number, readonly Segment[]>;
  readonly totalBytes: number;
  /** The most that must be live at any dispatch, in aligned sizes: no plan can be smaller. */
  readonly liveBytes: number;
  /** The index of the first dispatch at which so much is live. */
  readonly worst: number;
}

/** Good enough to stop the search: within 1% of the bytes that must be live. */
const closeEnough = 1.01;

/** Assigns the tensors of a dispatch sequence to buffers: see the head of this file; the same input gives the same plan. */
export function planMemory(
  tensors: readonly MemoryTensor[],
  dispatches: readonly MemoryDispatch[],
  limits: MemoryLimits,
  options: MemoryOptions = {},
): MemoryPlan {
  const { align } = limits;
  const cap = Math.floor(limits.maxBufferBytes / align) * align;
  const lives = livesOf(tensors, dispatches, options);
  const { liveBytes, worst } = worstMoment(tensors, lives, dispatches.length, align);
  const items = itemsOf(tensors, lives, cap, align, options.adjacent ?? []);
  const packing = search(items, Math.max(1, dispatches.length), cap, closeEnough * liveBytes);
  const placement = new Map<number, Segment[]>(tensors.map(({ id }) => [id, []]));
  for (const { pieces } of items)
    for (const { index, tensor, bytes } of pieces)
      placement.get(tensor)?.push({
        buffer: packing.arenaOf[index] ?? 0,
        offset: packing.offsets[index] ?? 0,
        bytes,
      });
  const buffers = packing.arenas.map(({ height }) => height);
  return { buffers, placement, totalBytes: packing.total, liveBytes, worst };
}
