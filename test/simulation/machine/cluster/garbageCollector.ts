import type { Kind } from '../../../../agent/cluster/cluster.ts';
import { graceOf, isTerminal, type ControllerHost } from './jobController.ts';
import type { Change, KubeObject } from './objectStore.ts';

const retryMs = 1_000;
/** How late it may be, in ms. */
const lateMs = 2_000;

/** Removes what nobody owns any more, in the background, and what was never begun and is to go. */
export class GarbageCollector {
  readonly #host: ControllerHost;

  constructor(host: ControllerHost) {
    this.#host = host;
  }

  see({ kind, type, object }: Change): void {
    const { uid = '', ownerReferences = [], deletionTimestamp } = object.metadata ?? {};
    if (type === 'DELETED') {
      this.#later(() => {
        for (const { kind: owned, object: one } of this.#host.store.all())
          if (one.metadata?.ownerReferences?.some((owner) => owner.uid === uid) === true) this.#collect(owned, one);
      });
    } else if (type === 'ADDED' && ownerReferences.length > 0) this.#later(() => this.#collect(kind, object));
    // Whose kubelet is none: nobody else would end it.
    if (kind === 'Pod' && type === 'MODIFIED' && deletionTimestamp !== undefined) this.#later(() => this.#endUnscheduled(object));
  }

  #later(act: () => void): void {
    const { timeline, rng, canWork } = this.#host;
    timeline.after(rng.next() ** 3 * lateMs, () => {
      if (canWork()) act();
      else timeline.after(retryMs, () => this.#later(act));
    });
  }

  #collect(kind: Kind, { metadata }: KubeObject): void {
    const { store } = this.#host;
    const name = metadata?.name ?? '';
    const known = store.get(kind, name);
    if (known === null || known.metadata?.uid !== metadata?.uid) return;
    const owners = known.metadata?.ownerReferences ?? [];
    if (owners.length === 0 || owners.some(({ uid }) => store.hasUid(uid))) return;
    const pod = kind === 'Pod' ? store.get('Pod', name) : null;
    const hasKubelet = pod !== null && pod.spec?.nodeName !== undefined && !isTerminal(pod);
    store.remove(kind, name, hasKubelet ? graceOf(pod) : 0);
  }

  #endUnscheduled({ metadata }: KubeObject): void {
    const { store } = this.#host;
    const name = metadata?.name ?? '';
    const pod = store.get('Pod', name);
    if (pod === null || pod.metadata?.uid !== metadata?.uid || pod.spec?.nodeName !== undefined || isTerminal(pod)) return;
    store.update('Pod', name, (known) => ({ ...known, status: { ...known.status, phase: 'Failed' } }));
  }
}
