#!/usr/bin/env node
// Prints the rows of the table as JSON, for pytorch.py: node list-rows.mjs [large | PX BATCH]. It needs no packages.
import { networks } from "./networks.mjs";
import { parametersOf } from "./parameters.mjs";
import { largeRows, networksAt, rows, toleranceOf } from "./work.mjs";

const [size, batch] = process.argv.slice(2);
const chosen =
  size === undefined ? rows : size === "large" ? largeRows : networksAt(Number(size), Number(batch));
const listed = chosen.map((one) => {
  const row = { ...one, tolerance: toleranceOf(one.id) };
  return row.net === undefined
    ? row
    : { ...row, watch: networks[row.net].watch, parameters: parametersOf(row.net, row.size) };
});
process.stdout.write(JSON.stringify(listed));
