/**
 * JSON as a file header must hold it. `JSON.parse` keeps the last of two equal keys and rounds integers past 2^53,
 * which lets one file mean two things to two readers; this parser reports the first and keeps the second visible.
 * Numbers stay text, so that the caller decides what an offset may be.
 */
export type Json = string | boolean | null | JsonNumber | Json[] | Map<string, Json>;

export class JsonNumber {
  constructor(readonly text: string) {}

  /** The value if it is written as a plain unsigned integer up to 2^53 - 1; undefined otherwise (-1, 1.0, 1e3). */
  get unsigned(): number | undefined {
    if (!/^\d+$/.test(this.text)) return undefined;
    const value = Number(this.text);
    return Number.isSafeInteger(value) ? value : undefined;
  }
}

/** What is wrong and where; the caller adds the file. */
export class JsonError extends Error {}

const MAX_DEPTH = 32;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Parses a whole text. Throws `JsonError` for bad syntax, a key given twice, or nesting deeper than 32. */
export function parseStrictJson(text: string): Json {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.space();
  if (parser.at < text.length) parser.fail("text after the end");
  return value;
}

class Parser {
  at = 0;

  constructor(private readonly text: string) {}

  fail(what: string): never {
    throw new JsonError(`${what} at character ${this.at}`);
  }

  space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  take(token: string): boolean {
    this.space();
    if (!this.text.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) this.fail(`nesting deeper than ${MAX_DEPTH}`);
    this.space();
    if (this.text[this.at] === '"') return this.string();
    if (this.take("{")) return this.object(depth);
    if (this.take("[")) return this.array(depth);
    if (this.take("true")) return true;
    if (this.take("false")) return false;
    if (this.take("null")) return null;
    return this.number();
  }

  object(depth: number): Map<string, Json> {
    const out = new Map<string, Json>();
    if (this.take("}")) return out;
    do {
      this.space();
      if (this.text[this.at] !== '"') this.fail("a key was expected");
      const key = this.string();
      if (out.has(key)) throw new JsonError(`duplicate key ${JSON.stringify(key.slice(0, 120))}`);
      if (!this.take(":")) this.fail('":" was expected');
      out.set(key, this.value(depth + 1));
    } while (this.take(","));
    if (!this.take("}")) this.fail('"," or "}" was expected');
    return out;
  }

  array(depth: number): Json[] {
    const out: Json[] = [];
    if (this.take("]")) return out;
    do out.push(this.value(depth + 1));
    while (this.take(","));
    if (!this.take("]")) this.fail('"," or "]" was expected');
    return out;
  }

  string(): string {
    const start = this.at++;
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (Number.isNaN(code)) this.fail("a string without end");
      this.at += code === 0x5c ? 2 : 1; // a backslash hides the character after it
      if (code === 0x22) break;
    }
    try {
      return String(JSON.parse(this.text.slice(start, this.at))); // escapes and control characters: its rules
    } catch {
      this.at = start;
      return this.fail("a badly written string");
    }
  }

  number(): JsonNumber {
    NUMBER.lastIndex = this.at;
    const found = NUMBER.exec(this.text)?.[0];
    if (found === undefined) return this.fail("a value was expected");
    this.at += found.length;
    return new JsonNumber(found);
  }
}
