import { expect } from 'vitest';
import { homeId } from '../../agent/client/home.ts';
import { type SharedCluster, sharedCluster, TestNamespace } from './cluster.ts';
import { EnvironmentProject } from './environmentProject.ts';

/** All kinds of objects that studies have on a cluster. */
const kinds = 'jobs,pods,configmaps,secrets,persistentvolumeclaims';

/** The real command line on a project, connected to a namespace of its own on a real cluster. */
export class ClusterProject extends EnvironmentProject {
  readonly namespace: TestNamespace;

  private constructor(namespace: TestNamespace, kubeconfig: string, env: Readonly<Record<string, string>>) {
    super(null, { KUBECONFIG: kubeconfig, ...env });
    this.namespace = namespace;
  }

  /** `kubeconfig`: another way to the same cluster, with the context `test`. `connect`: further words of `hpo cluster connect`. */
  static async create(
    options: {
      readonly cluster?: SharedCluster;
      readonly kubeconfig?: string;
      readonly connect?: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<ClusterProject> {
    const { cluster = sharedCluster(), connect = [], env = {} } = options;
    const namespace = await TestNamespace.create(cluster);
    const project = new ClusterProject(namespace, options.kubeconfig ?? cluster.kubeconfig, env);
    const registry = ['--registry', `${cluster.registry}/hpo`, '--plain'];
    const place = ['--context', 'test', '--namespace', namespace.name];
    const { code, stdout, stderr } = await project.run('cluster', 'connect', ...place, ...registry, '--yes', ...connect);
    if (code !== 0) throw new Error(`hpo cluster connect ended with ${code}\n${stdout}${stderr}`);
    return project;
  }

  /** `kind/name` of what studies of this home have on the cluster. */
  left(): Promise<readonly string[]> {
    return this.namespace.names(kinds, `hpo.home=${homeId(this.home)}`);
  }

  /** Deletes the study: nothing of it is on the cluster then, as soon as the cluster has followed. */
  override async free(studyId: string): Promise<void> {
    expect(await this.run('delete', '--yes', studyId)).toMatchObject({ code: 0 });
    await expect.poll(() => this.left(), { timeout: 90_000, interval: 500 }).toEqual([]);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.namespace[Symbol.asyncDispose]();
  }
}
