import { html, nothing, type TemplateResult } from 'lit';
import {
  formatBytes,
  formatDistribution,
  formatDuration,
  formatNumber,
  formatValue,
  noValue as dash,
} from '../agent/protocol/format.ts';
import { formatMoney, gpuHours } from '../agent/protocol/metered.ts';
import type { ContainerSettings } from '../agent/protocol/study.ts';
import type { StudyView } from '../agent/protocol/view.ts';
import { rungsOf } from './insight.ts';

/** What is needed to run the study again: space, seed, search and environment. */
export function studyRecord(view: StudyView): TemplateResult {
  const { spec } = view;
  const best = view.incumbent === null ? undefined : view.trials[view.incumbent];
  const facts: [string, string][] = [
    ['Script', spec.script ?? dash],
    ['Project', spec.root],
    ['Command', spec.command.join(' ')],
    [
      'Objective',
      spec.objectives
        .map((o) => `${o.direction} ${o.metric}${o.goal === null ? '' : `, goal ${formatNumber(o.goal)}`}`)
        .join('; '),
    ],
    ['Sampler', spec.search.sampler],
    ['Scheduler', spec.search.scheduler],
    ['Seed', String(spec.search.seed)],
    ['Parallel trials', `${view.parallel}${view.followsRoom ? ', as the cluster has room' : ''}`],
    ...(spec.search.batch === undefined ? [] : ([['Batches of', String(spec.search.batch)]] as [string, string][])),
    ['Budget', budgetText(view)],
    ...(spec.fidelity === null
      ? []
      : ([
          [
            'Fidelity',
            `${spec.fidelity.name} ${formatNumber(spec.fidelity.min)} to ${formatNumber(spec.fidelity.max)}, factor ${formatNumber(spec.fidelity.reductionFactor)}`,
          ],
        ] as [string, string][])),
    ...(rungsOf(view).length === 0
      ? []
      : ([
          [
            'Rungs',
            rungsOf(view)
              .map((rung) => formatNumber(rung))
              .join(', '),
          ],
        ] as [string, string][])),
    [
      'Runs on',
      spec.cluster === undefined ? spec.executor : `kubernetes: ${spec.cluster.context}, namespace ${spec.cluster.namespace}`,
    ],
    ...(spec.container === undefined
      ? ([['Interpreter', `${spec.environment.interpreter} (${spec.environment.version}; ${spec.environment.reason})`]] as [
          string,
          string,
        ][])
      : containerFacts(spec.environment.reason, spec.container)),
    ['Code snapshot', spec.snapshot],
    ['Search space', spec.spaceHash],
  ];
  return html`
    <h3>Parameters</h3>
    <div class="scroll-x"><table class="plain">
      <thead><tr><th scope="col">Parameter</th><th scope="col" class="numeric">Best</th><th scope="col" class="numeric">Script's own</th><th scope="col">Searched in</th><th scope="col">Where</th></tr></thead>
      <tbody>${spec.space.parameters.map(
        (p) => html`<tr>
        <th scope="row">${p.name}</th>
        <td class="numeric strong">${best === undefined ? dash : p.name in best.params ? formatValue(best.params[p.name], 6) : 'not used'}</td>
        <td class="numeric">${formatValue(p.default, 6)}</td>
        <td>${formatDistribution(p.distribution)}${p.when === null ? nothing : html` <span class="muted">when ${p.when}</span>`}</td>
        <td class="muted">${p.site.file}:${p.site.line}</td>
      </tr>`,
      )}</tbody>
    </table></div>
    ${spec.space.where.length === 0 ? nothing : html`<p>Only where ${spec.space.where.join(' and ')}.</p>`}
    <h3>How it ran</h3>
    <dl class="facts record">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
  `;
}

/** What every attempt runs in, and how far it is shut off. */
function containerFacts(reason: string, container: ContainerSettings): [string, string][] {
  const { image, mounts, network, memoryBytes, shmBytes, pids, gpus, secrets } = container;
  const limits = [
    memoryBytes === null ? null : `${formatBytes(memoryBytes)} memory`,
    `${formatBytes(shmBytes)} shared memory`,
    `${formatNumber(pids)} processes`,
    gpus === 0 ? null : `${formatNumber(gpus)} GPUs`,
  ];
  return [
    ['Image', `${image.name} (${reason})`],
    ['Image id', image.id],
    ['Network', network ? 'yes' : 'none'],
    ['Limits of a container', limits.filter((limit) => limit !== null).join(', ')],
    ...mounts.map(({ source, target, readOnly }): [string, string] => [
      'Mount',
      `${source} at ${target}${readOnly ? '' : ', writable'}`,
    ]),
    ...(secrets.length === 0 ? [] : ([['Secrets', secrets.join(', ')]] as [string, string][])),
  ];
}

function budgetText({ spec: { budget, fidelity } }: StudyView): string {
  const parts = [
    budget.trials === null ? null : `${formatNumber(budget.trials)} trials`,
    budget.wallTimeMs === null ? null : formatDuration(budget.wallTimeMs),
    budget.resource === null ? null : `${formatNumber(budget.resource)} ${fidelity?.name ?? 'steps'}`,
    budget.gpuMs === undefined ? null : `${formatNumber(gpuHours(budget.gpuMs))} GPU hours`,
    budget.cost === undefined ? null : formatMoney(budget.cost),
    budget.patience === undefined ? null : `until ${budget.patience} trials in a row bring nothing better`,
    budget.minGain === undefined ? null : `while a gain of ${formatNumber(budget.minGain)} is expected`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? 'until stopped' : parts.join(', ');
}
