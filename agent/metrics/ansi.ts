// oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
const escapes = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])/g;

/** Without colours, cursor movements and titles (ECMA-48 control sequences). */
export function stripAnsi(text: string): string {
  return text.includes('\u001b') ? text.replace(escapes, '') : text;
}
