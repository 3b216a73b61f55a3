import type * as ClientModule from './client.ts';

/** A value as the API has it, or what of it is not. */
export type Shaped =
  | { readonly value: unknown }
  | { readonly fault: { readonly at: readonly (string | number)[]; readonly what: string } };

/** Looks at a value as `kind` of the API has it, such as `V1Volume`; `at` is where it stands. */
export type ShapeReader = (value: unknown, kind: string, at: readonly (string | number)[]) => Shaped;

type Models = (typeof ClientModule)['models'];
type Attribute = { readonly name: string; readonly type: string };

/** Whose values are quantities, which the API takes as numbers as well; its client knows them as texts. */
const quantities: ReadonlySet<string | number> = new Set(['limits', 'requests', 'sizeLimit', 'divisor', 'capacity']);

/** By the client's own tables: what does not fit them it drops without a word, or cannot send at all. What is null is left out, as the API does. */
export async function shapeReader(): Promise<ShapeReader> {
  const client = await import('./client.ts');
  return (value, kind, at) => {
    try {
      return { value: read(client.models, value, kind, at) };
    } catch (error) {
      if (error instanceof Misfit) return { fault: error };
      throw error;
    }
  };
}

class Misfit extends Error {
  readonly at: readonly (string | number)[];
  readonly what: string;

  constructor(at: readonly (string | number)[], what: string) {
    super(what);
    this.at = at;
    this.what = what;
  }
}

function read(models: Models, value: unknown, type: string, at: readonly (string | number)[]): unknown {
  const [, item] = /^Array<(.*)>$/.exec(type) ?? [];
  if (item !== undefined) {
    if (!Array.isArray(value)) throw new Misfit(at, 'needs a list');
    return value.map((one: unknown, i) => read(models, one, item, [...at, i]));
  }
  const [, member] = /^\{ \[key: string\]: (.*); \}$/.exec(type) ?? [];
  const attributes = member === undefined ? attributesOf(models, type) : null;
  if (member === undefined && attributes === null) return plain(value, type, at);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Misfit(at, 'needs keys and values');
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, part]: [string, unknown]) => {
      const kind = member ?? attributes?.get(key);
      if (kind === undefined) throw new Misfit([...at, key], 'has a key that the API does not know');
      return part === null ? [] : [[key, read(models, part, kind, [...at, key])]];
    }),
  );
}

/** Null for what is no object of the API. */
function attributesOf(models: Models, type: string): ReadonlyMap<string, string> | null {
  const model: unknown = Object.hasOwn(models, type) ? Reflect.get(models, type) : undefined;
  if (typeof model !== 'function' || !('getAttributeTypeMap' in model) || typeof model.getAttributeTypeMap !== 'function')
    return null;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as all of its models have it
  const attributes = model.getAttributeTypeMap() as readonly Attribute[];
  return new Map(attributes.map(({ name, type: kind }) => [name, kind]));
}

function plain(value: unknown, type: string, at: readonly (string | number)[]): unknown {
  switch (type) {
    case 'string':
      if (Number.isFinite(value) && at.slice(-2).some((key) => quantities.has(key))) return String(value);
      if (typeof value !== 'string') throw new Misfit(at, 'needs a text: put it in quotes');
      return value;
    case 'number':
      if (typeof value !== 'number' || !Number.isInteger(value)) throw new Misfit(at, 'needs a whole number');
      return value;
    case 'boolean':
      if (typeof value !== 'boolean') throw new Misfit(at, 'needs true or false');
      return value;
    case 'IntOrString':
      if (typeof value !== 'string' && !Number.isInteger(value)) throw new Misfit(at, 'needs a text or a whole number');
      return value;
    default:
      return value;
  }
}
