import { testLearning } from "./learning";
import { learningCases } from "./learning-cases";

// Two files, for two workers.
testLearning(learningCases.filter((_, k) => k % 2 === 1));
