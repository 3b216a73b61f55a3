export declare function startEngine(
  log?: (step: string) => void,
): Promise<AsyncDisposable & { readonly host: string; readonly isOwn: boolean }>;
