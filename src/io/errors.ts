/**
 * A file, a data set or an image that cannot be used. The message is one line: the file, what is wrong with it,
 * and what was expected. Everything that src/io and src/data refuse is refused with this class, so a program can
 * tell bad input from a defect of its own.
 *
 * @example
 * try { parseSafetensors(bytes, "model.safetensors"); }
 * catch (error) { if (error instanceof InputError) console.error(error.message); else throw error; }
 */
export class InputError extends Error {
  override name = "InputError";

  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
  }
}

/** A name out of a file, fit for a message: quoted, escaped, and cut where a hostile file made it endless. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}

// File names and decoders' messages may hold line breaks and terminal escapes.
function oneLine(text: string): string {
  let out = "";
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0x2028 || code === 0x2029;
    if (!control) out += char;
    else if (!out.endsWith(" ")) out += " ";
  }
  return out.trim();
}
