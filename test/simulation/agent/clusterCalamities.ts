import type { Rng } from '../../../agent/core/math/index.ts';
import type { AttemptKey } from '../../../agent/protocol/study.ts';
import { unreachable } from '../../../agent/protocol/view.ts';
import type { Kube } from '../machine/cluster/kube.ts';
import type { PodRun } from '../machine/cluster/podRun.ts';
import type { ClusterCalamity } from './scenario.ts';

export interface ClusterStrike {
  readonly kube: Kube;
  readonly rng: Rng;
  /** The pod of an attempt is taken away, and its program has no part in that. */
  readonly onStruck: (key: AttemptKey) => void;
  /** The cluster makes a second pod of an attempt's Job. */
  readonly onDoubled: (key: AttemptKey) => void;
}

/** A node that is not heard of for so long is emptied, in ms: 40 s until that is seen, and 5 minutes of tolerance. */
const untilTaintMs = 340_000;
/** Autoscaling adds no more. */
const maxNodes = 5;

/** Strikes the cluster behind the back of all agents. False where there is nothing to strike. */
export function strikeCluster(calamity: ClusterCalamity, { kube, rng, onStruck, onDoubled }: ClusterStrike): boolean {
  const { store, server, timeline } = kube;
  const wait = (meanMs: number): number => -Math.log(1 - rng.next()) * meanMs;
  const oneOf = <T>(all: readonly T[]): T | undefined => all[rng.int(Math.max(1, all.length))];
  const pods = store.list('Pod').filter(({ metadata, spec }) => metadata?.deletionTimestamp === undefined && spec !== undefined);
  const keyOfPod = (name: string): AttemptKey | null => {
    const pod = store.get('Pod', name);
    const env = new Map(pod?.spec?.containers[0]?.env?.map((variable) => [variable.name, variable.value ?? '']));
    if (!env.has('HPO_STUDY')) return null;
    return {
      studyId: env.get('HPO_STUDY') ?? '',
      trial: Number(env.get('HPO_TRIAL')),
      attempt: Number(env.get('HPO_ATTEMPT')),
    };
  };
  const strike = (name: string): void => {
    const key = keyOfPod(name);
    if (key !== null) onStruck(key);
  };
  const onPod = (act: (name: string) => boolean): boolean => {
    const name = oneOf(pods)?.metadata?.name;
    if (name === undefined || server.isDown) return false;
    strike(name);
    return act(name);
  };
  const strikeNode = (nodeName: string): void => {
    for (const pod of kube.podsOn(nodeName)) strike(pod.metadata?.name ?? '');
  };
  const node = oneOf(kube.nodes.filter((one) => one.isOn && !one.isGone));
  const running = kube.runs.filter(({ isRunning }) => isRunning);
  switch (calamity) {
    case 'delete pod':
      return onPod((name) => store.remove('Pod', name, store.get('Pod', name)?.spec?.nodeName === undefined ? 0 : 3));
    case 'delete pod at once':
      return onPod((name) => store.remove('Pod', name, 0));
    case 'evict pod':
      return onPod((name) => kube.evict(name));
    case 'preempt pod':
      return onPod((name) =>
        kube.evict(name, 'PreemptionByScheduler', 'default-scheduler: preempting to accommodate a higher priority pod'),
      );
    case 'pressure on a node': {
      const run = oneOf(running);
      if (run === undefined) return false;
      strike(run.name);
      const message = 'The node was low on resource: ephemeral-storage. ';
      return kube.nodeOf(run)?.evict(run.name, { reason: 'Evicted', message }) ?? false;
    }
    case 'drain node':
      if (node === undefined || server.isDown) return false;
      strikeNode(node.name);
      timeline.after(wait(20_000), () => kube.uncordon(node));
      return kube.drain(node);
    case 'reboot node':
      if (node === undefined) return false;
      strikeNode(node.name);
      return node.cutPower(5_000 + wait(30_000));
    case 'lose node':
      if (node === undefined) return false;
      strikeNode(node.name);
      kube.loseNode(node);
      timeline.after(wait(30_000), () => kube.addNode());
      return true;
    case 'cut node off': {
      if (node === undefined) return false;
      const ms = rng.next() < 0.7 ? wait(20_000) : untilTaintMs + wait(60_000);
      if (!node.cutOff(ms)) return false;
      timeline.after(untilTaintMs, () => {
        if (!node.isCutOff) return;
        strikeNode(node.name);
        for (const pod of kube.podsOn(node.name))
          kube.evict(pod.metadata?.name ?? '', 'DeletionByTaintManager', 'Taint manager: deleting due to NoExecute taint');
      });
      return true;
    }
    case 'restart kubelet':
      return node?.restartKubelet(500 + wait(10_000)) ?? false;
    case 'restart server':
      return server.restart(wait(5_000));
    case 'server away for long':
      return server.restart(60_000 + 540_000 * rng.next());
    case 'server hangs':
      return server.hang(wait(20_000));
    case 'server overloaded':
      return server.overload(wait(20_000));
    case 'controllers late':
      kube.delayControllers(wait(20_000));
      return true;
    case 'start Job twice': {
      const name = oneOf(running)?.pod.metadata?.labels?.['job-name'];
      const pod = name === undefined ? undefined : store.list('Pod', { 'job-name': name })[0];
      const key = keyOfPod(pod?.metadata?.name ?? '');
      if (name === undefined || key === null || server.isDown || !kube.jobs.startTwice(name)) return false;
      onDoubled(key);
      return true;
    }
    case 'delete Job': {
      const name = oneOf(store.list('Job'))?.metadata?.name;
      if (name === undefined || server.isDown) return false;
      for (const pod of store.list('Pod', { 'job-name': name })) strike(pod.metadata?.name ?? '');
      return store.remove('Job', name);
    }
    case 'kill pod': {
      const run: PodRun | undefined = oneOf(running);
      if (run === undefined) return false;
      strike(run.name);
      run.signal('SIGKILL');
      return true;
    }
    case 'rotate log': {
      const run = oneOf(kube.runs.filter(({ startedAt }) => startedAt !== null));
      run?.log.rotate();
      return run !== undefined;
    }
    case 'break connections':
      server.breakStreams();
      return true;
    case 'fill nodes': {
      const full = kube.nodes.filter((one) => !one.isGone);
      for (const { name } of full) kube.setRoom(name, 0);
      timeline.after(wait(20_000), () => {
        for (const { name } of full) kube.setRoom(name, null);
      });
      return true;
    }
    case 'quota':
      store.quota = { kind: 'Pod', most: rng.int(2) };
      timeline.after(wait(15_000), () => {
        store.quota = null;
      });
      return true;
    case 'kubelet away for long':
    case 'kubelet dead, node deleted': {
      if (node === undefined || !node.restartKubelet(untilTaintMs + wait(60_000))) return false;
      kube.setReady(node, 'Unknown');
      node.onKubeletUp = () => kube.setReady(node, 'True');
      timeline.after(untilTaintMs, () => {
        if (node.isKubeletUp || node.isGone) return;
        strikeNode(node.name);
        for (const pod of kube.podsOn(node.name))
          kube.evict(pod.metadata?.name ?? '', 'DeletionByTaintManager', 'Taint manager: deleting due to NoExecute taint');
        if (calamity === 'kubelet away for long') return;
        // Somebody gives it up, and takes its machine away; another one joins.
        kube.loseNode(node);
        timeline.after(wait(30_000), () => kube.addNode());
      });
      return true;
    }
    case 'spot node taken': {
      if (node === undefined || !node.isReachable || server.isDown) return false;
      strikeNode(node.name);
      // A notice of a moment, in which the kubelet ends what it can; then the machine and its object are gone.
      const message = 'Pod was terminated in response to imminent node shutdown.';
      for (const { name } of node.runs) node.evict(name, { reason: 'Terminated', message });
      timeline.after(200 + wait(2_000), () => {
        strikeNode(node.name);
        kube.loseNode(node);
      });
      timeline.after(wait(30_000), () => kube.addNode());
      return true;
    }
    case 'node added':
      if (kube.nodes.filter(({ isGone }) => !isGone).length >= maxNodes) return false;
      kube.addNode();
      return true;
    case 'node scaled down': {
      if (node === undefined || server.isDown || kube.nodes.filter(({ isGone }) => !isGone).length < 2) return false;
      strikeNode(node.name);
      if (!kube.drain(node)) return false;
      timeline.after(5_000 + wait(20_000), () => {
        if (node.isGone) return;
        strikeNode(node.name);
        kube.loseNode(node);
        // Autoscaling never leaves what waits without any node.
        if (kube.nodes.every(({ isGone }) => isGone)) kube.addNode();
      });
      return true;
    }
    case 'quota for objects':
      store.quota = { kind: (['Job', 'ConfigMap'] as const)[rng.int(2)] ?? 'Job', most: rng.int(4) };
      timeline.after(5_000 + wait(40_000), () => {
        store.quota = null;
      });
      return true;
    case 'delete object of a study': {
      const owned = (['ConfigMap', 'Secret'] as const)
        .flatMap((kind) => store.list(kind).map(({ metadata }) => ({ kind, metadata })))
        .filter(({ metadata }) => (metadata?.ownerReferences ?? []).length > 0);
      const object = oneOf(owned);
      if (object === undefined || server.isDown) return false;
      // Pods that have begun have their copies; others never begin.
      for (const { metadata } of pods) strike(metadata?.name ?? '');
      return store.remove(object.kind, object.metadata?.name ?? '');
    }
    case 'delete owner of a study': {
      const owner = oneOf(store.list('ConfigMap').filter(({ metadata }) => (metadata?.ownerReferences ?? []).length === 0));
      if (owner === undefined || server.isDown) return false;
      for (const { metadata } of pods) strike(metadata?.name ?? '');
      return store.remove('ConfigMap', owner.metadata?.name ?? '');
    }
    default:
      return unreachable(calamity);
  }
}
