import { testParity } from "./parity";
import { auxiliaryParityCases } from "./parity-cases";

testParity(auxiliaryParityCases);
