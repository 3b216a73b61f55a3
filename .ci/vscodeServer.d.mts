export declare function installVscodeServer(log?: (step: string) => void): {
  readonly serverMain: string;
  readonly chromium: string;
  readonly node: string;
};
