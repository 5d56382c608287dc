import { testParity } from "./parity";
import { parityCases } from "./parity-cases";

// Two files, for two workers.
testParity(parityCases.filter((_, k) => k % 2 === 1));
