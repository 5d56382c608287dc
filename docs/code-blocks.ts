import { readFileSync } from "node:fs";

/** A fenced block of a Markdown file: "```ts src/ops/add.ts" has the language ts and the title src/ops/add.ts. */
export interface CodeBlock {
  readonly language: string;
  readonly title: string;
  readonly text: string;
  /** The line of the file that its text begins on. */
  readonly line: number;
}

/** The fenced code blocks of a Markdown file, in their order. */
export function codeBlocks(file: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { language: string; title: string; lines: string[]; line: number } | undefined;
  for (const [k, line] of readFileSync(file, "utf8").split("\n").entries()) {
    const fence = /^```(\S*)\s*(.*)$/.exec(line);
    if (open === undefined) {
      if (fence !== null) open = { language: fence[1] ?? "", title: fence[2] ?? "", lines: [], line: k + 2 };
    } else if (line === "```") {
      blocks.push({ ...open, text: `${open.lines.join("\n")}\n` });
      open = undefined;
    } else {
      open.lines.push(line);
    }
  }
  if (open !== undefined) throw new Error(`${file}: the block on line ${open.line - 1} has no end`);
  return blocks;
}

/**
 * Applies a `diff` block to a text: each line with a blank in front is looked for, and lines with a plus are put behind it;
 * those before the first such line go to the top.
 */
export function applyDiff(text: string, diff: string): string {
  const lines = text.split("\n");
  let at = 0;
  for (const change of diff.split("\n").filter((line) => line !== "")) {
    const rest = change.slice(1);
    if (change.startsWith("+")) lines.splice(at++, 0, rest);
    else {
      const found = lines.indexOf(rest, at);
      if (found < 0) throw new Error(`the line "${rest}" is not there`);
      at = found + 1;
    }
  }
  return lines.join("\n");
}
