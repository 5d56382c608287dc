/** Where build.mjs puts Striate's way of waiting. */
const rest = new URL(".build/rest.mjs", import.meta.url).href;

/**
 * Waits as Striate does, without Dawn's busy loop, which takes a core from a software adapter. All libraries are waited
 * for so: the comparison is of what they compute with, not of how they wait.
 *
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export const resting = async (work) => (await import(rest)).resting(work);
