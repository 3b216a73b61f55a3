/** Stands in the `reason` of a trial whose point was tried before: the sampler knows it, and says so. */
export const triedBefore = 'It was tried before';
