import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";

export const usage = `npm run bench:peers -- [options]
  --only PATTERN    rows whose title matches (a regular expression)
  --peers LIST      of tfjs,jaxjs; both if not given
  --large           the operations at sizes that fill a large GPU, and no other rows
  --img-size PX     the networks at this size and no other rows
  --batch-size N    images a step with --img-size (1)
  --rounds N        at least so many rounds a row (5)
  --seconds S       for which short rows go on, up to 25 rounds (5)
  --patience S      seconds that a first run may take in a process of its own (120)
  --device NAME     part of an adapter's name
  --json FILE       adds the results to this file
  --table FILE      leaves the table in this file
  --show FILE       prints the table of a file that --json left, and measures nothing
  --pytorch FILE    puts the columns of a file that pytorch.py left beside the others`;

/** What was asked for that cannot be done: its message says all that there is to say. */
export class AskedWrongly extends Error {}

const refuse = (text) => {
  throw new AskedWrongly(text);
};

/** @param {string[]} argv */
export function optionsOf(argv) {
  const text = { type: /** @type {const} */ ("string") };
  const { values } = parse({
    args: argv,
    options: {
      only: { ...text, default: "." },
      peers: { ...text, default: "tfjs,jaxjs" },
      large: { type: "boolean", default: false },
      "img-size": text,
      "batch-size": text,
      rounds: { ...text, default: "5" },
      seconds: { ...text, default: "5" },
      patience: { ...text, default: "120" },
      device: text,
      json: text,
      table: text,
      show: text,
      pytorch: text,
      help: { type: "boolean" },
    },
  });
  if (values["batch-size"] !== undefined && values["img-size"] === undefined)
    refuse("--batch-size needs --img-size");
  if (values.large && values["img-size"] !== undefined) refuse("--large and --img-size exclude each other");
  for (const file of [values.json, values.table])
    if (file !== undefined && !existsSync(dirname(file))) refuse(`there is no folder ${dirname(file)}`);
  for (const file of [values.show, values.pytorch])
    if (file !== undefined && !existsSync(file)) refuse(`there is no file ${file}`);
  const size = values["img-size"];
  return {
    ...values,
    only: expression(values.only),
    peers: values.peers.split(",").filter(Boolean),
    rounds: whole("rounds", values.rounds),
    seconds: whole("seconds", values.seconds),
    patience: whole("patience", values.patience),
    at:
      size === undefined
        ? undefined
        : { size: whole("img-size", size), batch: whole("batch-size", values["batch-size"] ?? "1") },
  };
}

function parse(config) {
  try {
    return parseArgs(config);
  } catch (error) {
    return refuse(`${error.message.split("\n")[0]}; --help lists the options`);
  }
}

function whole(name, value) {
  if (!/^[1-9]\d*$/.test(value)) refuse(`--${name} takes a whole number of at least 1, given ${value}`);
  return Number(value);
}

function expression(pattern) {
  try {
    return new RegExp(pattern, "i");
  } catch (error) {
    return refuse(error.message);
  }
}
