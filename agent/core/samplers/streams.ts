/** Last key of each sampler's random stream, so that samplers that ask each other draw different numbers. */
export const streams = {
  random: 0,
  startup: 1,
  grid: 2,
  tpe: 3,
  qmc: 4,
  gp: 5,
  evolution: 6,
  cmaes: 7,
  auto: 8,
  fork: 9,
} as const;
