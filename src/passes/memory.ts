/**
 * Memory: which bytes of which buffer each tensor of a dispatch sequence occupies.
 *
 * A buffer bound for writing in a dispatch may not be bound for reading in it, even at disjoint ranges, so one arena
 * cannot do: tensors are packed by lifetime into a few of them. Packing is greedy (an item goes where it makes the sum
 * of the buffers' heights grow least) and depends on the order of the items; so many orders are tried, and an item
 * that made a packing no better than the best one is moved forward in the order for the next try ("squeaky wheel",
 * Joslin & Clements 1999).
 */

import { LimitError } from "../errors";

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
/** Steps of the innermost loop that the search may take: a count and not a time, so that plans do not vary. */
const workBudget = 12e6;
/** Steps after which it ends when nothing better has been found: a plan is waited for. */
const patience = 3e6;
/** How often every order is tried; small graphs end by this, large ones by `workBudget`. */
const rounds = 40;
/** Numbers of arenas to open before any is made higher; conflicts and `maxBufferBytes` may open more. */
const spreads = [1, 4, 6, 3, 8, 12];

/** First and last dispatch, both included. A use is 2 * dispatch, plus 1 if the dispatch writes. */
interface Life {
  start: number;
  end: number;
  readonly uses: number[];
}

/** A tensor, or a part of one that no buffer holds. */
interface Piece {
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
interface Item {
  readonly pieces: readonly Piece[];
  readonly bytes: number;
}

interface Arena {
  readonly index: number;
  height: number;
  /** By dispatch: 0 if not bound, 1 if bound for reading, 2 for writing. */
  readonly bound: Uint8Array;
  /** Placed pieces in order of offset, each as four numbers at the same place of four lists: the search reads nothing else. */
  readonly starts: number[];
  readonly ends: number[];
  readonly from: number[];
  readonly to: number[];
}

const roundUp = (bytes: number, to: number) => Math.ceil(bytes / to) * to;

/** The lifetime of every tensor that a dispatch binds or an option names. */
function livesOf(
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
function worstMoment(
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
function itemsOf(
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

/** One greedy packing: arenas filled in the order of the items, at most `spread` of them opened by choice. */
class Packing {
  readonly arenas: Arena[] = [];
  readonly arenaOf: Int32Array;
  readonly offsets: Float64Array;
  total = 0;
  /** Position in the order of the item that made the total grow last. */
  blame = 0;
  work = 0;

  constructor(
    pieces: number,
    private readonly dispatches: number,
    private readonly cap: number,
    private readonly spread: number,
  ) {
    this.arenaOf = new Int32Array(pieces);
    this.offsets = new Float64Array(pieces);
  }

  /** Places items in order until done (true) or until the total reaches `limit` (false). */
  fill(order: readonly Item[], limit: number): boolean {
    let position = 0;
    for (const item of order) {
      if (this.place(item)) this.blame = position;
      if (this.total >= limit) return false;
      position++;
    }
    return true;
  }

  /** Places an item where the total grows least, and says whether it grew. */
  private place(item: Item): boolean {
    let chosen: Arena | undefined;
    let base = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const arena of this.arenas) {
      if (!admits(arena, item)) continue;
      const at = this.lowest(arena, item);
      const growth = Math.max(0, at + item.bytes - arena.height);
      // Among equals the lowest arena, so that their heights stay alike and any of them can take the next large item.
      const better =
        growth < least || (growth === least && growth > 0 && arena.height < (chosen?.height ?? 0));
      if (at + item.bytes > this.cap || !better) continue;
      chosen = arena;
      base = at;
      least = growth;
      if (growth === 0) break;
    }
    if (!chosen || (least >= item.bytes && this.arenas.length < this.spread)) {
      const index = this.arenas.length;
      chosen = {
        index,
        height: 0,
        bound: new Uint8Array(this.dispatches),
        starts: [],
        ends: [],
        from: [],
        to: [],
      };
      base = 0;
      this.arenas.push(chosen);
    }
    const grown = Math.max(0, base + item.bytes - chosen.height);
    chosen.height += grown;
    this.total += grown;
    for (const piece of item.pieces) this.settle(piece, chosen, base + piece.from);
    return grown > 0;
  }

  private settle(piece: Piece, arena: Arena, offset: number): void {
    this.arenaOf[piece.index] = arena.index;
    this.offsets[piece.index] = offset;
    const { starts, ends, from, to } = arena;
    let low = 0;
    for (let high = from.length; low < high; ) {
      const middle = (low + high) >> 1;
      if ((from[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    starts.splice(low, 0, piece.life.start);
    ends.splice(low, 0, piece.life.end);
    from.splice(low, 0, offset);
    to.splice(low, 0, offset + piece.size);
    for (const use of piece.life.uses) arena.bound[use >> 1] = boundAs(use);
  }

  /** The lowest offset of an arena at which nothing that lives beside the item's pieces is in their way. */
  private lowest({ starts, ends, from, to }: Arena, { pieces }: Item): number {
    const count = from.length;
    this.work += count * pieces.length + 8;
    let base = 0;
    const [only] = pieces;
    if (only !== undefined && pieces.length === 1) {
      const { size, life } = only;
      const { start, end } = life;
      for (let k = 0; k < count; k++) {
        if ((starts[k] ?? 0) > end || (ends[k] ?? 0) < start) continue;
        if ((from[k] ?? 0) >= base + size) break;
        base = Math.max(base, to[k] ?? 0);
      }
      return base;
    }
    const blocked: [from: number, to: number][] = [];
    for (const { size, life, from: distance } of pieces)
      for (let k = 0; k < count; k++) {
        if ((starts[k] ?? 0) > life.end || (ends[k] ?? 0) < life.start) continue;
        blocked.push([(from[k] ?? 0) - distance - size, (to[k] ?? 0) - distance]);
      }
    for (const [first, last] of blocked.sort((a, b) => a[0] - b[0])) {
      if (first >= base) break;
      base = Math.max(base, last);
    }
    return base;
  }
}

const together = (a: Life, b: Life) => a.start <= b.end && b.start <= a.end;

/** What `Arena.bound` holds for a use as `Life.uses` has it. */
const boundAs = (use: number) => (use & 1) + 1;

function admits({ bound }: Arena, { pieces }: Item): boolean {
  for (const { life } of pieces)
    for (const use of life.uses) {
      const there = bound[use >> 1] ?? 0;
      if (there !== 0 && there !== boundAs(use)) return false;
    }
  return true;
}

const start = ({ pieces }: Item) => Math.min(...pieces.map(({ life }) => life.start));
const span = (item: Item) => Math.max(...item.pieces.map(({ life }) => life.end)) - start(item) + 1;
const magnitude = ({ bytes }: Item) => Math.floor(Math.log2(bytes));

/** Orders in which greedy packing does well, the best on training graphs first; `-` sorts descending. */
const orders: readonly ((item: Item) => readonly [number, number])[] = [
  (item) => [-magnitude(item), -span(item)],
  (item) => [-item.bytes, -span(item)],
  (item) => [-magnitude(item), start(item)],
  (item) => [-item.bytes * span(item), 0],
  (item) => [-span(item), -item.bytes],
  (item) => [start(item), -item.bytes],
];

/** The best packing found: every order at several numbers of arenas, then again with blamed items moved forward. */
function search(items: readonly Item[], dispatches: number, cap: number, goal: number): Packing {
  const pieces = items.reduce((count, item) => count + item.pieces.length, 0);
  const candidates = spreads.flatMap((spread) =>
    orders.map((keyOf) => ({
      spread,
      // Runs come first in every order: many pieces at fixed distances find no room later.
      order: items
        .map((item) => ({ item, keys: [item.pieces.length > 1 ? 0 : 1, ...keyOf(item)] as const }))
        .sort((a, b) => a.keys[0] - b.keys[0] || a.keys[1] - b.keys[1] || a.keys[2] - b.keys[2])
        .map(({ item }) => item),
    })),
  );
  const random = randomFrom(1);
  let best: Packing | undefined;
  let work = 0;
  let improved = 0;
  for (let round = 0; round < rounds; round++)
    for (const { order, spread } of candidates) {
      const packing = new Packing(pieces, dispatches, cap, spread);
      const isBetter = packing.fill(order, best?.total ?? Number.POSITIVE_INFINITY);
      work += packing.work;
      if (isBetter) {
        best = packing;
        improved = work;
      }
      if (best && (best.total <= goal || work > Math.min(workBudget, improved + patience))) return best;
      const [blamed] = order.splice(packing.blame, 1);
      if (blamed) order.splice(Math.floor(packing.blame * random()), 0, blamed);
    }
  return best ?? new Packing(pieces, dispatches, cap, 1);
}

/** mulberry32: plans must be the same every time, so Math.random will not do. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
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

/** Throws, with the facts, if a plan breaks a rule: sizes, cuts, limits, tensors in each other's way, buffer conflicts. */
export function checkMemoryPlan(
  tensors: readonly MemoryTensor[],
  dispatches: readonly MemoryDispatch[],
  plan: MemoryPlan,
  { maxBufferBytes, align }: MemoryLimits,
  options: MemoryOptions = {},
): void {
  const fail = (facts: string) => {
    throw new Error(`memory plan: ${facts}`);
  };
  const lives = livesOf(tensors, dispatches, options);
  const placed: { id: number; life: Life; buffer: number; offset: number; end: number }[] = [];
  for (const [i, bytes] of plan.buffers.entries())
    if (bytes > maxBufferBytes) fail(`buffer ${i} has ${bytes} bytes, the limit is ${maxBufferBytes}`);
  for (const { id, bytes, rowBytes } of tensors) {
    const life = lives.get(id);
    const segments = plan.placement.get(id) ?? [];
    const sum = segments.reduce((total, segment) => total + segment.bytes, 0);
    if (sum !== (life ? bytes : 0)) fail(`tensor ${id} needs ${life ? bytes : 0} bytes and has ${sum}`);
    if (segments.length > 1 && roundUp(bytes, align) <= maxBufferBytes)
      fail(`tensor ${id} of ${bytes} bytes is cut, though a buffer holds ${maxBufferBytes}`);
    let row = 0;
    for (const segment of segments) {
      const { buffer, offset } = segment;
      const end = offset + roundUp(segment.bytes, align);
      if (row % rowBytes || row % align) fail(`tensor ${id} is cut at ${row}; rows have ${rowBytes} bytes`);
      if (offset % align) fail(`tensor ${id} is at offset ${offset}, not a multiple of ${align}`);
      if (!(offset >= 0 && end <= (plan.buffers[buffer] ?? 0)))
        fail(`tensor ${id} ends at ${end} in buffer ${buffer} of ${plan.buffers[buffer]} bytes`);
      if (life) placed.push({ id, life, buffer, offset, end });
      row += segment.bytes;
    }
  }
  placed.sort((a, b) => a.buffer - b.buffer || a.offset - b.offset);
  for (const [i, a] of placed.entries())
    for (let j = i + 1; j < placed.length; j++) {
      const b = placed[j];
      if (b?.buffer !== a.buffer || b.offset >= a.end) break;
      if (!together(a.life, b.life)) continue;
      fail(
        `tensors ${a.id} (live ${a.life.start} to ${a.life.end}) and ${b.id} (live ${b.life.start} to ${b.life.end}) ` +
          `share bytes ${b.offset} to ${Math.min(a.end, b.end)} of buffer ${a.buffer}`,
      );
    }
  for (const [d, { reads, writes }] of dispatches.entries()) {
    const writer = new Map<number, number>();
    for (const id of writes) for (const { buffer } of plan.placement.get(id) ?? []) writer.set(buffer, id);
    for (const id of reads) {
      if (writes.includes(id)) continue;
      for (const { buffer } of plan.placement.get(id) ?? [])
        if (writer.has(buffer))
          fail(
            `dispatch ${d} reads tensor ${id} and writes tensor ${writer.get(buffer)}, both in buffer ${buffer}`,
          );
    }
  }
  const total = plan.buffers.reduce((sum, bytes) => sum + bytes, 0);
  const { liveBytes, worst } = worstMoment(tensors, lives, dispatches.length, align);
  if (plan.totalBytes !== total) fail(`states ${plan.totalBytes} bytes in all, its buffers have ${total}`);
  if (plan.liveBytes !== liveBytes || plan.worst !== worst)
    fail(`states ${plan.liveBytes} live bytes at ${plan.worst}; it is ${liveBytes} at ${worst}`);
}

/** A plan as text: the totals, then what each buffer holds in order of offset. */
export function printMemoryPlan(plan: MemoryPlan): string {
  const share = plan.liveBytes > 0 ? ` (${(plan.totalBytes / plan.liveBytes).toFixed(3)} x)` : "";
  const lines = [
    `memory: ${plan.totalBytes} bytes in ${plan.buffers.length} buffers; ` +
      `${plan.liveBytes} must be live at dispatch ${plan.worst}${share}`,
  ];
  const rows = [...plan.placement].flatMap(([id, segments]) =>
    segments.map((segment, part) => ({ ...segment, name: segments.length > 1 ? `${id}.${part}` : `${id}` })),
  );
  for (const [buffer, bytes] of plan.buffers.entries()) {
    const inside = rows.filter((row) => row.buffer === buffer).sort((a, b) => a.offset - b.offset);
    lines.push(`buffer ${buffer}: ${bytes} bytes for ${inside.length} of the tensors`);
    for (const { name, offset, bytes } of inside) lines.push(`  ${offset} +${bytes} tensor ${name}`);
  }
  return lines.join("\n");
}
