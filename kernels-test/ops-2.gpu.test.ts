import { runSpecs } from "./run-specs";
import { half } from "./specs";

runSpecs(half(1));
