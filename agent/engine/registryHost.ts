/** The registry that an image's name begins with, as engines read it, and what comes after; Docker's own where it names none. */
export function splitImageName(name: string): { readonly registry: string; readonly rest: string } {
  const [first = '', ...rest] = name.split('/');
  const isHost = rest.length > 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  return isHost ? { registry: first, rest: rest.join('/') } : { registry: 'docker.io', rest: name };
}
