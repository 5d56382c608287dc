/**
 * Packs items into arenas. Packing is greedy (an item goes where it makes the sum of the arenas' heights grow least) and
 * depends on the order of the items; so many orders are tried, and an item that made a packing no better than the best one is
 * moved forward in the order for the next try ("squeaky wheel", Joslin & Clements 1999).
 */

import type { Item, Piece } from "./memory-items";

/** Steps of the innermost loop that the search may take: a count and not a time, so that plans do not vary. */
const workBudget = 12e6;
/** Steps after which it ends when nothing better has been found: a plan is waited for. */
const patience = 3e6;
/** How often every order is tried; small graphs end by this, large ones by `workBudget`. */
const rounds = 40;
/** Numbers of arenas to open before any is made higher; conflicts and `maxBufferBytes` may open more. */
const spreads = [1, 4, 6, 3, 8, 12];

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
export function search(items: readonly Item[], dispatches: number, cap: number, goal: number): Packing {
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
