import { configureGlobal } from 'fast-check';

// A property that fails says in its own message which expectation did not hold.
configureGlobal({ includeErrorInReport: true });
