import { InputError } from "../io/errors";
import type { TunedChoice, Tuning } from "../passes/tuning";

const FORMAT = "striate tuning 1";

/** Choices as a file holds them, in the order of their keys: equal tunings are equal bytes. */
export function formatTuning(tuning: Tuning, adapter: string): string {
  return `${JSON.stringify({ format: FORMAT, adapter, choices: choicesToJson(tuning) }, null, 1)}\n`;
}

/**
 * The inverse of `formatTuning`.
 *
 * @throws InputError for what is not such a text, or was measured on another adapter or driver
 */
export function parseTuning(text: string, adapter: string, file: string): Tuning {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${file}: it is not JSON`, { cause: error });
  }
  if (!isRecord(root) || root.format !== FORMAT)
    throw new InputError(`${file}: format is ${shown(root, "format")}, expected "${FORMAT}"`);
  if (root.adapter !== adapter)
    throw new InputError(`${file}: adapter is ${shown(root, "adapter")}, expected "${adapter}"`);
  const choices = choicesFromJson(root.choices);
  if (choices === undefined)
    throw new InputError(`${file}: choices are ${shown(root, "choices")}, expected kernels by shape`);
  return choices;
}

/** Choices as a plain object, for JSON. */
export const choicesToJson = (tuning: Tuning): Record<string, TunedChoice> =>
  Object.fromEntries(
    [...tuning]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { kernel, sources }]) => [key, { kernel, sources }]),
  );

/** Choices from what JSON gave, or undefined where anything in it is none. */
export function choicesFromJson(value: unknown): Tuning | undefined {
  if (!isRecord(value)) return undefined;
  const found = new Map<string, TunedChoice>();
  for (const [key, choice] of Object.entries(value)) {
    if (!isRecord(choice)) return undefined;
    const { kernel, sources } = choice;
    if (typeof kernel !== "string" || typeof sources !== "string") return undefined;
    found.set(key, { kernel, sources });
  }
  return found;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const shown = (root: unknown, field: string): string =>
  (JSON.stringify(isRecord(root) ? root[field] : root) ?? "missing").slice(0, 100);
