import { gpuResourceOf, isObjectName } from '../../protocol/clusterWords.ts';
import type { KubernetesWords, PoolWords } from '../../protocol/space.ts';
import { checkValue } from './directiveKeys.ts';
import type { ConfigEntry, ConfigNode } from './configTree.ts';
import { replaceBy } from './faults.ts';
import type { Range, Word } from './note.ts';
import type { PlacedText } from './placedText.ts';
import { nearest, quote } from './text.ts';

/** What `kubernetes:` of a settings file says, with the places of what is checked later. */
export interface KubernetesSection {
  readonly words: Omit<KubernetesWords, 'pools'>;
  readonly pools: readonly (Omit<PoolWords, 'when'> & { readonly when: Word | null })[];
}

const sectionKeys = ['queue', 'priority', 'spot', 'podTemplate', 'pullSecrets', 'pools', 'volumes'];
const poolKeys = ['name', 'when', 'slots', 'gpus', 'gpu', 'spot', 'price', 'nodeSelector', 'tolerations'];
const tolerationKeys = ['key', 'operator', 'value', 'effect'];
const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;
/** Which cluster it is, and with whose rights, a project never decides. */
const keysOfUsers = ['context', 'namespace', 'cluster', 'kubeconfig', 'server'];

/** Reads the section `kubernetes`; `volume` takes each of its volumes, which is data. */
export function readKubernetes(
  source: PlacedText,
  node: ConfigNode,
  volume: (node: ConfigNode) => void,
): KubernetesSection | null {
  if (node.type !== 'map') {
    source.wrongKind('kubernetes', 'keys and values such as queue and pools', node);
    return null;
  }
  return new SectionReader(source).read(node, volume);
}

type MapNode = Extract<ConfigNode, { type: 'map' }>;
type Scalar = Extract<ConfigNode, { type: 'scalar' }>;
type Pool = KubernetesSection['pools'][number];

class SectionReader {
  private readonly source: PlacedText;

  constructor(source: PlacedText) {
    this.source = source;
  }

  read(node: MapNode, volume: (node: ConfigNode) => void): KubernetesSection {
    const fields = this.fields(node, sectionKeys, 'kubernetes');
    const pullSecrets = listOf(fields.get('pullSecrets')).flatMap((item) => this.name('pullSecrets', item) ?? []);
    for (const item of listOf(fields.get('volumes'))) volume(item);
    return {
      words: {
        queue: this.name('queue', fields.get('queue')),
        priority: this.name('priority', fields.get('priority')),
        spot: this.flag('spot', fields.get('spot')),
        podTemplate: this.text('podTemplate', fields.get('podTemplate')),
        pullSecrets: [...new Set(pullSecrets)],
      },
      pools: this.pools(fields.get('pools')),
    };
  }

  private pools(node: ConfigNode | undefined): readonly Pool[] {
    if (node === undefined) return [];
    if (node.type !== 'list') {
      this.source.wrongKind('pools', 'a list of pools, each with a name', node);
      return [];
    }
    const pools: Pool[] = [];
    for (const item of node.items) {
      const pool = this.pool(item);
      if (pool === null) continue;
      if (pools.some(({ name }) => name === pool.name))
        this.source.faults.add(
          'HPO-1125',
          item.start,
          item.end,
          `the pool ${pool.name} stands twice; give each a name of its own`,
        );
      else pools.push(pool);
    }
    return pools;
  }

  private pool(node: ConfigNode): Pool | null {
    if (node.type !== 'map') {
      this.source.wrongKind('a pool', 'keys and values such as name and nodeSelector', node);
      return null;
    }
    const fields = this.fields(node, poolKeys, 'a pool');
    const name = this.name('name', fields.get('name'));
    if (name === null) {
      if (!fields.has('name')) this.source.faults.add('HPO-1133', node.start, node.end, 'a pool needs a name');
      return null;
    }
    const when = this.scalar('when', fields.get('when'));
    return {
      name,
      when: when === null ? null : { text: when.text, start: when.textStart ?? when.start, end: when.end },
      slots: this.whole('slots', fields.get('slots'), 1),
      gpus: this.whole('gpus', fields.get('gpus'), 0),
      gpu: this.gpu(fields.get('gpu')),
      spot: this.flag('spot', fields.get('spot')),
      price: this.money('price', fields.get('price')),
      nodeSelector: this.labels(fields.get('nodeSelector')),
      tolerations: listOf(fields.get('tolerations')).flatMap((item) => this.toleration(item) ?? []),
    };
  }

  private toleration(node: ConfigNode): PoolWords['tolerations'][number] | null {
    if (node.type !== 'map') {
      this.source.wrongKind('a toleration', 'keys and values such as key, value and effect', node);
      return null;
    }
    const fields = this.fields(node, tolerationKeys, 'a toleration');
    const key = this.text('key', fields.get('key'));
    const value = this.text('value', fields.get('value'));
    const operator = this.text('operator', fields.get('operator'));
    const isExists = operator === 'Exists';
    if (operator !== null && operator !== 'Exists' && operator !== 'Equal') this.wrong('operator', 'Exists or Equal', fields);
    if (isExists && value !== null) this.wrong('value', 'to be left out where the operator is Exists', fields);
    if (key === null && value !== null) this.wrong('value', 'a key beside it', fields);
    const word = this.text('effect', fields.get('effect'));
    const effect = effects.find((known) => known === word) ?? null;
    if (word !== null && effect === null) this.wrong('effect', `one of ${effects.join(', ')}`, fields);
    return { key, value: isExists ? null : value, effect };
  }

  private wrong(key: string, needs: string, fields: ReadonlyMap<string, ConfigNode>): void {
    const node = fields.get(key);
    if (node === undefined) return;
    this.fault(key, needs, node);
  }

  private fault(key: string, needs: string, { start, end }: Range): void {
    this.source.faults.add('HPO-1105', start, end, `${key} needs ${needs}, not "${quote(this.source.text.slice(start, end))}"`);
  }

  private labels(node: ConfigNode | undefined): Record<string, string> {
    if (node === undefined) return {};
    if (node.type !== 'map') {
      this.source.wrongKind('nodeSelector', 'labels of nodes with their values', node);
      return {};
    }
    return Object.fromEntries(
      node.entries.flatMap(({ key, node: value }) => {
        const text = this.scalar(key, value)?.text;
        return text === undefined ? [] : [[key, text] as const];
      }),
    );
  }

  private gpu(node: ConfigNode | undefined): string | null {
    const word = this.scalar('gpu', node);
    if (word === null) return null;
    if (gpuResourceOf(word.text) !== null) return word.text;
    this.fault('gpu', 'nvidia, amd, intel, or a resource of the cluster such as nvidia.com/mig-1g.5gb', word);
    return null;
  }

  private name(key: string, node: ConfigNode | undefined): string | null {
    const word = this.scalar(key, node);
    if (word === null) return null;
    if (isObjectName(word.text)) return word.text;
    this.fault(key, 'a name of Kubernetes: small letters, digits and -', word);
    return null;
  }

  private whole(key: string, node: ConfigNode | undefined, least: number): number | null {
    const word = this.scalar(key, node);
    if (word === null) return null;
    if (typeof word.value === 'number' && Number.isSafeInteger(word.value) && word.value >= least) return word.value;
    this.fault(key, `a whole number from ${least}`, word);
    return null;
  }

  private money(key: string, node: ConfigNode | undefined): string | null {
    const word = this.scalar(key, node);
    if (word === null) return null;
    const fault = checkValue({ type: 'money' }, word.text);
    if (fault === null) return word.text;
    this.fault(key, fault.message, word);
    return null;
  }

  private flag(key: string, node: ConfigNode | undefined): boolean | null {
    const word = this.scalar(key, node);
    if (word === null) return null;
    if (/^(?:yes|true)$/i.test(word.text)) return true;
    if (/^(?:no|false)$/i.test(word.text)) return false;
    this.fault(key, 'yes or no', word);
    return null;
  }

  private text(key: string, node: ConfigNode | undefined): string | null {
    const word = this.scalar(key, node);
    return word === null || word.text === '' ? null : word.text;
  }

  private scalar(key: string, node: ConfigNode | undefined): Scalar | null {
    if (node === undefined || (node.type === 'scalar' && node.value === null)) return null;
    if (node.type === 'scalar') return node;
    this.source.wrongKind(key, 'a single value', node);
    return null;
  }

  /** The values by their keys; a key that is none is a fault. */
  private fields(node: MapNode, known: readonly string[], where: string): Map<string, ConfigNode> {
    const fields = new Map<string, ConfigNode>();
    for (const { key, keyStart, keyEnd, node: value } of node.entries) {
      if (known.includes(key)) fields.set(key, value);
      else this.unknown(key, { start: keyStart, end: keyEnd }, known, where);
    }
    return fields;
  }

  private unknown(key: ConfigEntry['key'], { start, end }: Range, known: readonly string[], where: string): void {
    const meant = nearest(key, known);
    const what = keysOfUsers.includes(key)
      ? 'is never taken from a project: choose by --cluster, --context and --namespace, or hpo cluster connect'
      : `is not known in ${where}; ${meant === null ? `known are ${known.join(', ')}` : `did you mean ${meant}?`}`;
    const fix = meant === null || keysOfUsers.includes(key) ? null : replaceBy(`Write ${meant}`, start, end, meant);
    this.source.faults.add('HPO-1104', start, end, `"${quote(key)}" ${what}`, fix);
  }
}

function listOf(node: ConfigNode | undefined): readonly ConfigNode[] {
  return node === undefined ? [] : node.type === 'list' ? node.items : [node];
}
