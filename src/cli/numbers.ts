import { InvalidArgumentError } from "commander";

/** A parser of whole numbers for an option. */
export const whole =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(
        `Give a whole number of at least ${least}${most < Number.MAX_SAFE_INTEGER ? ` and at most ${most}` : ""}.`,
      );
    return value;
  };

/** A parser of real numbers for an option; `accepts` says which. */
export const real =
  (expected: string, accepts: (value: number) => boolean) =>
  (text: string): number => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!Number.isFinite(value) || !accepts(value)) throw new InvalidArgumentError(`Give ${expected}.`);
    return value;
  };

export const positive = real("a number above 0", (value) => value > 0);
export const notNegative = real("a number of at least 0", (value) => value >= 0);
/** At least 0, below 1. */
export const share = real("a number from 0 to below 1", (value) => value >= 0 && value < 1);

/** `0.5` or `0.485,0.456,0.406` */
export const perChannel =
  (expected: string, accepts: (value: number) => boolean) =>
  (text: string): number[] =>
    text.split(",").map(real(`${expected}, one or one a channel with commas between`, accepts));

/** `fc=10`; each one is added to those before it. */
export const scales = (
  text: string,
  before: readonly { readonly name: string; readonly factor: number }[] = [],
): { readonly name: string; readonly factor: number }[] => {
  const at = text.lastIndexOf("=");
  if (at <= 0) throw new InvalidArgumentError("Give a layer and a factor, such as fc=10.");
  return [...before, { name: text.slice(0, at), factor: notNegative(text.slice(at + 1)) }];
};

/** A parser of one or more values with commas between. */
export const list =
  <T>(parse: (text: string) => T) =>
  (text: string): T[] =>
    text.split(",").map((part) => parse(part.trim()));

/** A parser of one of some words. */
export const oneOf =
  <const W extends string>(words: readonly W[]) =>
  (text: string): W => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new InvalidArgumentError(`Give ${words.join(" or ")}.`);
    return found;
  };
