import { chromeTrace, type ProfileEntry } from "../profile";
import { type NetworkRow, titleOf } from "./rows";

/** The profiles of rows in Chrome's trace format, as JSON. */
export function traceOf(rows: readonly NetworkRow[]): string {
  const profiles: Record<string, readonly ProfileEntry[]> = {};
  for (const row of rows) {
    if (row.profile !== undefined)
      profiles[`${titleOf(row)} on ${row.circumstances.adapter}`] = row.profile.entries;
  }
  return JSON.stringify(chromeTrace(profiles));
}
