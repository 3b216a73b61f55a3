/** Last key of each random stream that trials have, so that samplers that ask each other draw different numbers. */
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
  backOff: 10,
} as const;
