import { LimitError } from "../errors";
import type { MemoryDispatch, MemoryOptions, MemoryTensor } from "./memory";

/** First and last dispatch, both included. A use is 2 * dispatch, plus 1 if the dispatch writes. */
export interface Life {
  start: number;
  end: number;
  readonly uses: number[];
}

/** A tensor, or a part of one that no buffer holds. */
export interface Piece {
  readonly index: number;
  readonly tensor: number;
  readonly life: Life;
  /** As asked for, and rounded up to the alignment. */
  readonly bytes: number;
  readonly size: number;
  /** Distance from the item's first byte. */
  readonly from: number;
}

/** What is placed as one: a single piece, or an adjacent run at fixed distances, each with a lifetime of its own. */
export interface Item {
  readonly pieces: readonly Piece[];
  readonly bytes: number;
}

export const roundUp = (bytes: number, to: number) => Math.ceil(bytes / to) * to;

/** The lifetime of every tensor that a dispatch binds or an option names. */
export function livesOf(
  tensors: readonly MemoryTensor[],
  dispatches: readonly MemoryDispatch[],
  { fromStart, keepAlive }: MemoryOptions,
): Map<number, Life> {
  const known = new Set<number>();
  for (const { id, bytes } of tensors) {
    if (known.has(id)) throw new Error(`memory plan: two tensors have the id ${id}; give each its own`);
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw new Error(`memory plan: tensor ${id} has ${bytes} bytes; a whole number is needed`);
    known.add(id);
  }
  const lives = new Map<number, Life>();
  const live = (id: number, dispatch: number, where: string): Life => {
    if (!known.has(id))
      throw new Error(
        `memory plan: ${where} names tensor ${id}, which is not among the ${known.size} declared`,
      );
    const life = lives.get(id) ?? { start: dispatch, end: dispatch, uses: [] };
    life.start = Math.min(life.start, dispatch);
    life.end = Math.max(life.end, dispatch);
    lives.set(id, life);
    return life;
  };
  for (const id of fromStart ?? []) live(id, 0, "fromStart");
  dispatches.forEach(({ reads, writes }, d) => {
    const written = new Set(writes);
    for (const id of written) live(id, d, `dispatch ${d}`).uses.push(2 * d + 1);
    for (const id of new Set(reads)) {
      const life = live(id, d, `dispatch ${d}`);
      if (!written.has(id)) life.uses.push(2 * d);
    }
  });
  for (const id of keepAlive ?? []) live(id, Math.max(dispatches.length - 1, 0), "keepAlive");
  return lives;
}

/** The bytes live at the worst dispatch, and the first dispatch at which they are. */
export function worstMoment(
  tensors: readonly MemoryTensor[],
  lives: ReadonlyMap<number, Life>,
  dispatches: number,
  align: number,
): { liveBytes: number; worst: number } {
  const change = new Float64Array(dispatches + 2);
  for (const { id, bytes } of tensors) {
    const life = lives.get(id);
    if (!life) continue;
    change[life.start] = (change[life.start] ?? 0) + roundUp(bytes, align);
    change[life.end + 1] = (change[life.end + 1] ?? 0) - roundUp(bytes, align);
  }
  let live = 0;
  let liveBytes = 0;
  let worst = 0;
  for (const [dispatch, bytes] of change.entries()) {
    live += bytes;
    if (live <= liveBytes) continue;
    liveBytes = live;
    worst = dispatch;
  }
  return { liveBytes, worst };
}

/** Rows at whose multiples tensors are cut where that costs no further part. */
const grain = 128;

/**
 * Bytes of the parts of a tensor that no buffer holds: whole rows, as equal as rows and alignment allow, the same for
 * all tensors of one shape. Cuts at multiples of many rows are legal offsets in tensors with short rows as well, such
 * as a product's few columns beside its large matrix: a dispatch that binds both is then cut at the same rows.
 *
 * @returns undefined when no whole rows of an aligned size fit a buffer
 */
export function cutAtRows(
  { bytes, rowBytes }: Omit<MemoryTensor, "id">,
  cap: number,
  align: number,
): number[] | undefined {
  if (bytes <= cap) return [bytes];
  let unit = rowBytes;
  while (unit % align > 0 && unit <= cap) unit += rowBytes;
  if (!(unit > 0 && unit <= cap)) return undefined;
  const partsOf = (size: number) => Math.ceil(bytes / (Math.floor(cap / size) * size));
  const fewest = partsOf(unit);
  for (let times = grain; times > 1; times /= 2) {
    const coarse = unit * times;
    if (coarse > cap || partsOf(coarse) > fewest) continue;
    unit = coarse;
    break;
  }
  const part = roundUp(Math.ceil(bytes / fewest), unit);
  return Array.from({ length: Math.ceil(bytes / part) }, (_, i) => Math.min(part, bytes - i * part));
}

function cut(tensor: MemoryTensor, cap: number, align: number): number[] {
  const parts = cutAtRows(tensor, cap, align);
  if (parts !== undefined) return parts;
  const { id, bytes, rowBytes } = tensor;
  throw new LimitError(
    `memory plan: tensor ${id} has ${bytes} bytes, a buffer holds ${cap}, and rows of ${rowBytes} bytes ` +
      `cannot be cut there at a multiple of ${align}; ask the device for a larger maxBufferSize`,
    bytes,
    cap,
  );
}

/** The items to place: one an adjacent run, one a part of a cut tensor, one for every other tensor. */
export function itemsOf(
  tensors: readonly MemoryTensor[],
  lives: ReadonlyMap<number, Life>,
  cap: number,
  align: number,
  adjacent: readonly (readonly number[])[],
): Item[] {
  const known = new Map(tensors.map((tensor) => [tensor.id, tensor]));
  const grouped = new Set<number>();
  const items: Item[] = [];
  let index = 0;
  const add = (parts: readonly { id: number; bytes: number; life: Life }[]) => {
    let from = 0;
    const pieces = parts.map(({ id, bytes, life }) => {
      const piece = { index: index++, tensor: id, life, bytes, size: roundUp(bytes, align), from };
      from += piece.size;
      return piece;
    });
    if (from > 0) items.push({ pieces, bytes: from });
  };
  for (const group of adjacent) {
    let run: { id: number; bytes: number; life: Life }[] = [];
    let room = cap;
    const bound = new Map<number, number>();
    for (const id of group) {
      const tensor = known.get(id);
      if (!tensor) throw new Error(`memory plan: adjacent names tensor ${id}, which is not declared`);
      const life = lives.get(id);
      const size = roundUp(tensor.bytes, align);
      if (!life || size === 0 || size > cap || grouped.has(id)) continue;
      grouped.add(id);
      const clash = life.uses.some((use) => (bound.get(use >> 1) ?? use & 1) !== (use & 1));
      if (clash || size > room) {
        add(run);
        run = [];
        room = cap;
        bound.clear();
      }
      run.push({ id, bytes: tensor.bytes, life });
      room -= size;
      for (const use of life.uses) bound.set(use >> 1, use & 1);
    }
    add(run);
  }
  for (const tensor of tensors) {
    const life = lives.get(tensor.id);
    if (!life || tensor.bytes === 0 || grouped.has(tensor.id)) continue;
    for (const bytes of cut(tensor, cap, align)) add([{ id: tensor.id, bytes, life }]);
  }
  return items;
}
