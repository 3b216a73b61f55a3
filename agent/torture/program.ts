/**
 * The programs of trials, in POSIX sh. Besides printing, each writes what it is about to print into a file of its own that
 * no agent knows: `$TORTURE_RECORD/<study>.<trial>.<attempt>`, a line `STEP LOSS` a report, `begin` at its start, `end` before it exits by itself,
 * `overlap PID` where another attempt of the same trial was still alive at its start, `robbed` where its folder is gone.
 */
export interface ProgramOptions {
  /** Reports of an attempt. */
  readonly steps?: number;
  readonly pauseSeconds?: number;
  /** Lines of sh before the first report. */
  readonly first?: string;
  /** Lines of sh after the last report. */
  readonly last?: string;
}

export function trialProgram({ steps = 3, pauseSeconds = 0.05, first = '', last = '' }: ProgramOptions = {}): string {
  return `record="$TORTURE_RECORD/$HPO_STUDY.$HPO_TRIAL.$HPO_ATTEMPT"
owner="$TORTURE_RECORD/$HPO_STUDY.$HPO_TRIAL.owner"
note() { printf '%s\\n' "$1" >>"$record"; }
# A zombie is dead; that nobody has waited for it yet is no matter.
if [ -e "$owner" ] && read -r other <"$owner" && read -r state 2>/dev/null <"/proc/$other/stat"; then
  case $state in *") Z "*) ;; *) note "overlap $other" ;; esac
fi
printf '%s\\n' $$ >"$owner"
note begin
${first}
step=1
while [ $step -le ${steps} ]; do
  loss=$(( (X - 377) * (X - 377) + 1000 - step ))
  [ -e train.sh ] || note "robbed of its folder"
  note "$step $loss"
  echo "step $step loss=$loss"
  sleep ${pauseSeconds}
  step=$((step + 1))
done
${last}
note end
`;
}

export const projectFile = `command: [sh, train.sh]
objectives: [loss min]
parameters:
  x: { space: "int(1, 100000)", default: 500, via: env(X) }
search: { sampler: random }
`;

export interface ProgramRecord {
  /** How often it was started: once, unless its folder was taken away. */
  readonly starts: number;
  /** Reports since the last start, in the order in which they were printed. */
  readonly reports: readonly { readonly step: number; readonly loss: number }[];
  /** It came to its end by itself. */
  readonly hasEnded: boolean;
  /** What must not happen to it: another attempt of its trial lived when it began, its folder was taken away. */
  readonly complaints: readonly string[];
}

export function parseRecord(text: string): ProgramRecord {
  const lines = text.split('\n').filter((line) => line !== '');
  const lastStart = lines.lastIndexOf('begin');
  return {
    starts: lines.filter((line) => line === 'begin').length,
    reports: lines.slice(lastStart + 1).flatMap((line) => {
      const match = /^(\d+) (-?\d+)$/.exec(line);
      return match === null ? [] : [{ step: Number(match[1]), loss: Number(match[2]) }];
    }),
    hasEnded: lines.includes('end'),
    complaints: lines.filter((line) => /^(overlap|robbed)/.test(line)),
  };
}
