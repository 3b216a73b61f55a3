import type { Diagnostic } from '../../protocol/space.ts';
import { isRandomPassword } from '../secrets/likeness.ts';
import { fault, lineOf } from './faults.ts';

/** A login in an address; `${TOKEN}` and the like name a variable instead. */
const inAddress = /[a-z][a-z0-9+.-]*:\/\/(?:[^\s:/@"'$%{]+:)([^\s/@"'${%]+)@/i;
/** A token in the place of the user, and no password: what `git@` is not. */
const tokenInAddress = /https?:\/\/([^\s:/@"'${}%]{8,}):?@/i;
/** A login in the settings of npm or yarn. */
const inSettings = /(?:^|[:/\s])(?:_authToken|_auth|_password|npmAuthToken|npmAuthIdent)\s*[:=]\s*["']?([^\s"'$]+)/i;

/** Lines of a manifest that hold a login: what is in the layer of an image, everyone can read who has it. */
export function credentialsIn(file: string, text: string): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const isComment = /^\s*[#;]/.test(line);
    const isLogin =
      inAddress.test(line) ||
      isRandomPassword(tokenInAddress.exec(line)?.[1] ?? '') ||
      (/(?:^|\/)\.(?:npmrc|yarnrc(?:\.yml)?)$/.test(file) && !isComment && inSettings.test(line));
    if (!isLogin) continue;
    const home = file.endsWith('.npmrc') ? '~/.npmrc' : file.includes('.yarnrc') ? '~/.yarnrc.yml' : '~/.netrc';
    found.push(
      fault(
        'HPO-2426',
        'error',
        lineOf(file, text, index + 1),
        `line ${index + 1} of ${file} holds credentials, which would be in the image`,
        `move them to ${home}, which builds get as a secret, or write a variable in their place: \${TOKEN}`,
      ),
    );
  }
  return found;
}
