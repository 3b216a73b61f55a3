export declare class MissingPrecondition extends Error {}
export declare function installSystemPackages(packages: readonly string[], log: (step: string) => void): void;
