/** Where things of an attempt are in its container. */
export const places = {
  /** The current folder. */
  work: '/hpo/work',
  /** The whole snapshot, where it has too many entries to mount each. */
  code: '/hpo/code',
  /** Records and output. */
  attempt: '/hpo/attempt',
  checkpoint: '/hpo/checkpoint',
  shim: '/hpo/shim.sh',
  home: '/hpo/home',
  temporary: '/tmp',
} as const;
