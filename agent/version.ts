import manifest from '../package.json' with { type: 'json' };

/** Version of the agent, the command line and the extension: they are released together. */
export const version: string = manifest.version;
