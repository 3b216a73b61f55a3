// A CommonJS bundle has no import.meta; esbuild puts this in its place.
export const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;
