import type { Diagnostic, Fix } from '../../protocol/space.ts';
import { languageNames } from './languages/index.ts';
import type { LineMap } from './text.ts';

/** A fault in one text, by offsets; `diagnose` gives it its file, line and column. */
export interface Fault {
  readonly code: FaultCode;
  readonly start: number;
  readonly end: number;
  readonly message: string;
  readonly fix: Fix | null;
  readonly severity?: 'warning' | 'info';
}

export type FaultCode = keyof typeof annotationFaults;

/** Every fault that an annotation can have. The documentation of the codes is generated from this table. */
export const annotationFaults = {
  'HPO-1101': {
    title: 'Unreadable annotation',
    explanation:
      'The note after @hpo does not follow the grammar: a word or sign stands where none is expected, or a bracket or quote is not closed.',
  },
  'HPO-1102': {
    title: 'Unknown space',
    explanation: 'A parameter is annotated with float, int, choice, ordinal, bool or fidelity; any other word is unknown.',
  },
  'HPO-1103': {
    title: 'Unknown directive',
    explanation:
      'After "@hpo." stands one of the directives: objective, constraint, where, metric, search, budget, resources, retry, checkpoint, folds, seeds, image, data, include, secret.',
  },
  'HPO-1104': {
    title: 'Unknown key',
    explanation: 'A directive or a settings file holds a key that does not exist there.',
  },
  'HPO-1105': {
    title: 'Value or unit that does not fit its key',
    explanation:
      'Counts are whole numbers, amounts are positive, memory has a unit such as 24GB, cost has a currency such as 15USD.',
  },
  'HPO-1106': {
    title: 'Wrong arguments of a space',
    explanation:
      'float and int take two numbers and flags, fidelity two whole numbers and eta, choice and ordinal a list of literals. Numbers of int are whole and can be held exactly.',
  },
  'HPO-1107': { title: 'Reversed range', explanation: 'The lower end of a range stands first.' },
  'HPO-1108': {
    title: 'Empty range',
    explanation:
      'There is nothing to choose from: both ends are equal, the step is larger than the range, or a list holds fewer than two values.',
  },
  'HPO-1109': {
    title: 'Logarithm over zero',
    explanation: 'A log scale needs a lower end above zero.',
  },
  'HPO-1110': { title: 'Unknown flag', explanation: 'The flags of float and int are log, revlog and step=NUMBER.' },
  'HPO-1111': {
    title: 'Flags that exclude each other',
    explanation:
      'A range is either log, or revlog, or has a step; each flag stands at most once. A step is above zero, and whole for int.',
  },
  'HPO-1112': {
    title: 'Choice that is no literal',
    explanation: 'Choices are numbers, texts in quotes, True, False, None, and tuples or lists of them.',
  },
  'HPO-1113': { title: 'Repeated choice', explanation: 'Each choice stands once.' },
  'HPO-1114': {
    title: 'Default outside its own range',
    explanation: 'The literal in the script is trial 0, so it has to be one of the values of its own space.',
  },
  'HPO-1115': {
    title: 'Default of another kind',
    explanation: 'The literal is of a kind that its space cannot produce, for example a text beside float.',
  },
  'HPO-1116': {
    title: 'Not a literal',
    explanation:
      'Only a literal can be tuned: a number, text, bool, None, or a tuple or list of them. Give the expression a name: assign the literal to a variable, annotate that, and use the variable.',
  },
  'HPO-1117': {
    title: 'Name needed',
    explanation:
      'The statement holds several literals, or its literal has no name. Write the name before the space: "depth: int(2, 12)".',
  },
  'HPO-1118': {
    title: 'No literal of this name',
    explanation: 'The name before the space names no literal of the annotated statement.',
  },
  'HPO-1119': {
    title: 'Duplicate name',
    explanation:
      'Names are unique in a study, over all its files. Write another name before one of the spaces: "head_lr: float(…)".',
  },
  'HPO-1120': {
    title: 'Unusable name',
    explanation: 'A name begins with a letter or _, holds letters, digits, _ . and -, and has at most 128 bytes.',
  },
  'HPO-1121': {
    title: 'Unreadable condition',
    explanation: 'Conditions hold names and literals with == != < <= > >= in and or not + - * / and brackets.',
  },
  'HPO-1122': {
    title: 'Unknown parameter in a condition',
    explanation: 'Conditions of "when" and @hpo.where are about parameters of the study.',
  },
  'HPO-1123': { title: 'Cycle of conditions', explanation: 'A parameter cannot exist only if it has a value itself.' },
  'HPO-1124': {
    title: 'Unreadable objective',
    explanation: 'An objective is a metric and min or max: "@hpo.objective val_loss min".',
  },
  'HPO-1125': { title: 'Said twice', explanation: 'An objective, a metric or a key is given more than once.' },
  'HPO-1126': {
    title: 'Unreadable metric source',
    explanation: 'A metric is read from stdout "REGEX", json PATH, csv PATH or tensorboard DIR.',
  },
  'HPO-1127': {
    title: 'Unusable regular expression',
    explanation: 'The expression must be valid and have one group, which holds the value.',
  },
  'HPO-1128': { title: 'Unreadable data mapping', explanation: 'Data is mapped by "@hpo.data ./data -> /data ro".' },
  'HPO-1129': { title: 'Unreadable sink', explanation: 'After via stands arg(--name), env(NAME) or key(file:path).' },
  'HPO-1130': { title: 'Second fidelity', explanation: 'A study has one fidelity: the resource that the scheduler hands out.' },
  'HPO-1131': { title: 'Literal tuned twice', explanation: 'Two annotations replace the same characters of the script.' },
  'HPO-1132': {
    title: 'Nothing to annotate',
    explanation:
      'A trailing note belongs to what ends on its line, a note on a line of its own to what follows; here is neither.',
  },
  'HPO-1133': { title: 'Incomplete annotation', explanation: 'A note or a directive lacks what it is about.' },
  'HPO-1134': { title: 'Unreadable settings file', explanation: 'hpo.yml is not valid YAML, or a TOML file is not valid TOML.' },
  'HPO-1135': { title: 'Setting of another kind', explanation: 'A setting holds, for example, a list where a text is expected.' },
  'HPO-1136': {
    title: 'Value that cannot be written here',
    explanation: 'The language of the file has no literal for a value, for example None in TOML.',
  },
  'HPO-1137': {
    title: 'The text has changed',
    explanation: 'Where the literal stood there is other text now, so nothing was replaced. Read the file again.',
  },
  'HPO-1138': {
    title: 'Language without annotations',
    explanation: `Annotations are read in ${languageNames}.`,
  },
  'HPO-1139': {
    title: 'Baseline excluded by a condition',
    explanation: 'The values in the script, which are trial 0, make an @hpo.where false. A warning: the study can start.',
  },
  'HPO-1140': {
    title: 'Included file that does not exist',
    explanation: 'A file of @hpo.include is looked for beside the file that names it, then from the root of the project.',
  },
  'HPO-1141': {
    title: 'Without effect in this version',
    explanation:
      'A directive or a key is read, but this version does not act on it. A warning: the study runs as if it were not there.',
  },
  'HPO-1142': {
    title: 'In containers only',
    explanation:
      'A directive or a key counts where trials run in containers (--on docker): the image, secrets, gpus, memory, network, shm, tmp and pids. Trials that are processes of this machine have its programs, its network, its devices and the variables of the agent, and no limit of memory. Not said where a study runs in containers.',
  },
  'HPO-1143': {
    title: 'On a cluster only',
    explanation:
      'A directive or a key counts where trials run on a Kubernetes cluster (--on kubernetes): gpu, spot, priority, queue and pool of resources, the store of checkpoints, data on volume claims, and the section kubernetes of an hpo.yml. Not said where a study runs on one.',
  },
} as const satisfies Record<string, { readonly title: string; readonly explanation: string }>;

export function diagnose(fault: Fault, file: string, lines: LineMap): Diagnostic {
  return {
    code: fault.code,
    severity: fault.severity ?? 'error',
    message: fault.message,
    file,
    line: lines.lineOf(fault.start),
    column: lines.columnOf(fault.start),
    endLine: lines.lineOf(fault.end),
    endColumn: lines.columnOf(fault.end),
    fix: fault.fix,
  };
}

/** Collects the faults of one text. */
export class Faults {
  readonly list: Fault[] = [];

  add(code: FaultCode, start: number, end: number, message: string, fix: Fix | null = null): void {
    this.list.push({ code, start, end: Math.max(start, end), message, fix });
  }
}

/** A fix that replaces [start, end) by `text`. */
export function replaceBy(title: string, start: number, end: number, text: string): Fix {
  return { title, start, end, text };
}
