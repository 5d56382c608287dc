import type { MemoryDispatch, MemoryLimits, MemoryOptions, MemoryPlan, MemoryTensor } from "./memory";
import { type Life, livesOf, roundUp, worstMoment } from "./memory-items";

const together = (a: Life, b: Life) => a.start <= b.end && b.start <= a.end;

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
