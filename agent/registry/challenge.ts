/** What a registry wants to see of who asks (RFC 9110, 11.6.1; the token protocol of the distribution project). */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string | null; readonly scope: string | null };

/** The one of a `WWW-Authenticate` header that can be answered, tokens first; null where there is none. */
export function parseChallenge(header: string): Challenge | null {
  const found: Challenge[] = [];
  for (const [, scheme = '', parameters = ''] of header.matchAll(challengePattern)) {
    const values = new Map(
      [...parameters.matchAll(parameterPattern)].map(([, name = '', quoted, plain]) => [
        name.toLowerCase(),
        quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '',
      ]),
    );
    const realm = values.get('realm');
    if (scheme.toLowerCase() === 'basic') found.push({ scheme: 'basic' });
    if (scheme.toLowerCase() === 'bearer' && realm !== undefined && URL.canParse(realm))
      found.push({ scheme: 'bearer', realm, service: values.get('service') ?? null, scope: values.get('scope') ?? null });
  }
  return found.find(({ scheme }) => scheme === 'bearer') ?? found[0] ?? null;
}

const parameter = String.raw`[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",]+)`;
const challengePattern = new RegExp(
  String.raw`(?:^|[\s,])(basic|bearer|[\w-]+)(?:\s+(${parameter}(?:\s*,\s*${parameter})*)|(?=\s*(?:,|$)))`,
  'gi',
);
const parameterPattern = /([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))/g;
