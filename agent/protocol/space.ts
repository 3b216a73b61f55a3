/**
 * The search space as data. Functions over it live in `core/space`.
 *
 * A value is what the literal in the user's script can hold; tuples and lists are arrays here
 * and are written back in the literal's own brackets.
 */
export type ParamValue = number | string | boolean | null | readonly ParamValue[];

/** Parameter name → value. A parameter whose condition is false is absent, never null. */
export type Params = Readonly<Record<string, ParamValue>>;

export interface FloatDistribution {
  readonly type: 'float';
  readonly low: number;
  readonly high: number;
  /** Uniform in log(x): small values get as much room as large ones. */
  readonly log: boolean;
  /** Uniform in log(low + high − x): values near `high` get as much room as all others (momentum, decay rates). */
  readonly revlog: boolean;
  readonly step: number | null;
}

export interface IntDistribution {
  readonly type: 'int';
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  readonly revlog: boolean;
  /** At least 1; null means 1. */
  readonly step: number | null;
}

/** Choices without an order. `bool` is categorical over false and true. */
export interface CategoricalDistribution {
  readonly type: 'categorical';
  readonly choices: readonly ParamValue[];
}

/** Choices whose order carries meaning (32 < 64 < 128). */
export interface OrdinalDistribution {
  readonly type: 'ordinal';
  readonly choices: readonly ParamValue[];
}

export type Distribution = FloatDistribution | IntDistribution | CategoricalDistribution | OrdinalDistribution;

/** How a value reaches the script. */
export type Sink =
  | { readonly type: 'literal' }
  | { readonly type: 'arg'; readonly flag: string }
  | { readonly type: 'env'; readonly name: string }
  | { readonly type: 'key'; readonly file: string; readonly path: string };

/** Where a literal stands; lines and columns count from 1, columns in UTF-16 units. `file` is relative to the project root. */
export interface Site {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The exact characters that a value replaces: UTF-16 offsets into the file's text, end exclusive. */
export interface LiteralSpan {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface Parameter {
  readonly name: string;
  readonly distribution: Distribution;
  /** The script's own value; trial 0 uses it. Absent only for parameters of an hpo.yml that name none. */
  readonly default?: ParamValue;
  /** Source text of the condition under which the parameter exists, else null. */
  readonly when: string | null;
  readonly sink: Sink;
  readonly site: Site;
  /** Null when the value is not written over a literal (hpo.yml parameters with `via`). */
  readonly literal: LiteralSpan | null;
}

export interface SearchSpace {
  readonly parameters: readonly Parameter[];
  /** Conditions over parameters that every proposed point satisfies. */
  readonly where: readonly string[];
}

/** The annotated resource of a trial (epochs, boosting rounds …), spliced like a parameter but chosen by the scheduler. */
export interface Fidelity {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly reductionFactor: number;
  readonly default: number;
  readonly sink: Sink;
  readonly site: Site;
  readonly literal: LiteralSpan | null;
}

export interface Objective {
  readonly metric: string;
  readonly direction: 'min' | 'max';
  /** The study ends when this value is reached; null when there is none. */
  readonly goal: number | null;
}

/** Where a metric is read from when the built-in patterns are not enough. */
export type MetricSource =
  | { readonly type: 'stdout'; readonly metric: string; readonly pattern: string; readonly stepPattern: string | null }
  | { readonly type: 'json'; readonly metric: string; readonly path: string }
  | { readonly type: 'csv'; readonly metric: string; readonly path: string }
  | { readonly type: 'tensorboard'; readonly metric: string; readonly dir: string };

/** What the annotations of a script say, before any choice of the user. */
export interface ScriptSpec {
  readonly space: SearchSpace;
  readonly objectives: readonly Objective[];
  readonly constraints: readonly string[];
  readonly fidelity: Fidelity | null;
  readonly metrics: readonly MetricSource[];
  readonly search: Readonly<Record<string, string>>;
  readonly budget: Readonly<Record<string, string>>;
  readonly resources: Readonly<Record<string, string>>;
  readonly retry: Readonly<Record<string, string>>;
  readonly checkpoint: Readonly<Record<string, string>> | null;
  readonly folds: Readonly<Record<string, string>> | null;
  readonly seeds: Readonly<Record<string, string>> | null;
  readonly image: Readonly<Record<string, string>> | null;
  readonly data: readonly { readonly from: string; readonly to: string; readonly readOnly: boolean }[];
  readonly include: readonly string[];
  readonly secrets: readonly string[];
  /** The section `kubernetes` of an hpo.yml or pyproject.toml; null where there is none. */
  readonly kubernetes: KubernetesWords | null;
  /** Hash of the canonical form of space, objectives, constraints and fidelity; equal spaces hash equally whatever their layout. */
  readonly hash: string;
}

/** What a project says of clusters, as it is written; which cluster it is says only the user. */
export interface KubernetesWords {
  /** Kueue's LocalQueue; `none`: none. */
  readonly queue: string | null;
  readonly priority: string | null;
  readonly spot: boolean | null;
  /** Path of a YAML file with a pod template, relative to the root. */
  readonly podTemplate: string | null;
  /** Secrets of the namespace by which images are pulled. */
  readonly pullSecrets: readonly string[];
  readonly pools: readonly PoolWords[];
}

/** Null: not said. */
export interface PoolWords {
  readonly name: string;
  readonly when: string | null;
  readonly slots: number | null;
  readonly gpus: number | null;
  readonly gpu: string | null;
  readonly spot: boolean | null;
  /** `0.90USD`, of a place for an hour. */
  readonly price: string | null;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly {
    readonly key: string | null;
    readonly value: string | null;
    readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute' | null;
  }[];
}

export interface Diagnostic {
  /** Stable, documented code such as `HPO-1101`. */
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info';
  /** What, why (with the value seen) and what next. */
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  readonly fix: Fix | null;
}

/** An edit that mends the cause of a diagnostic: replace [start, end) of the file's text. */
export interface Fix {
  readonly title: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}
