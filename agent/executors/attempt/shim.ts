import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Files } from '../../system/files.ts';

/**
 * The small program around each attempt, in POSIX sh (dash, bash, busybox; about 2 MB resident). It is the leader of a
 * session of its own, so that it survives the agent as well as the killing of the attempt's processes, and
 * - claims the attempt: of two shims for one attempt, one runs the program and the other exits with 75;
 * - runs the program in a process group of its own, with our mark in its environment alone, never in the shim's;
 * - records start and end by rename, so that a reader sees all of a record or nothing;
 * - ends the whole tree at the deadline, or when it has printed too much, also when no agent is there;
 * - ends what the program left behind in its group;
 * - keeps of what was printed too much the bytes up to the limit and one more, which says that there was more.
 *
 * What is printed is looked at every two seconds, and every tenth of one at first and while it grows fast. So the limit
 * bounds what is kept; while the program runs, the file holds besides what is printed until it is seen, and until the
 * program heeds SIGTERM: the grace at most, and no longer once there is twice the limit.
 *
 * sh tells an end by a signal as 128 + its number, so a program that itself exits with 137 looks like a killed one.
 */
export const shimScript = `#!/bin/sh
# Arguments: attempt folder, deadline and grace in seconds (deadline 0: none), mark, count of kernel kills for memory
# so far, most bytes of output (out.log and metrics.jsonl, each); then the program and its arguments.
dir=$1 limit=$2 grace=$3 mark=$4 oom=$5 output=$6
shift 6

# When process $1 started, and its state: an id alone may have been taken over by another process.
ticks_of() {
  ticks= state=
  if read -r line 2>/dev/null <"/proc/$1/stat"; then
    set -f
    set -- \${line##*") "}
    set +f
    state=$1
    shift 19
    ticks=$1
  else
    ticks=$(LC_ALL=C ps -o lstart= -p "$1" 2>/dev/null)
  fi
}

# What the program put in their place is not written to: a FIFO would be waited for, and a folder be moved into.
clear() {
  if [ -e "$1" ] || [ -L "$1" ]; then rm -rf "$1"; fi
}

record() {
  clear "$dir/$1.new"
  [ ! -d "$dir/$1" ] || rm -rf "$dir/$1"
  (set -C && printf '%s\\n' "$2" >"$dir/$1.new") && mv -f "$dir/$1.new" "$dir/$1"
}

signal_group() {
  kill -s "$1" -- "-$pid" 2>/dev/null
}

# For the watches: where the shim was killed, nobody tells them the program's end, so its id may be another's by now.
# They end then, all of them, their sleeps included: they share the shim's group.
check_owner() {
  ticks_of $$
  [ "$ticks" = "$shim_ticks" ] && [ "$state" != Z ] || kill -s TERM 0
  ticks_of "$pid"
  [ "$ticks" = "$pid_ticks" ] || exit 0
}

# On a busy machine the program may not have made its group yet.
end_tree() {
  check_owner
  signal_group TERM || kill -s TERM "$pid"
  sleep "$grace"
  check_owner
  signal_group KILL || kill -s KILL "$pid"
}

boot=
read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id
ticks_of $$
shim_ticks=$ticks
set -C
{ printf '%s\\n' "{\\"shim\\":$$,\\"shimTicks\\":\\"$shim_ticks\\",\\"boot\\":\\"$boot\\"}" >"$dir/claim.json"; } 2>/dev/null || exit 75
set +C

interrupted=
trap 'interrupted=1' HUP
if command -v setsid >/dev/null 2>&1; then
  HPO_ATTEMPT_KEY=$mark setsid "$@" &
else
  # Without setsid (macOS) job control makes the group; dash has none without a terminal.
  set -m
  (HPO_ATTEMPT_KEY=$mark && export HPO_ATTEMPT_KEY && exec "$@") &
  set +m
fi
pid=$!
# The output is the program's alone: dash would add "Killed" to it.
exec >/dev/null 2>&1
ticks_of $pid
pid_ticks=$ticks
record start.json "{\\"shim\\":$$,\\"shimTicks\\":\\"$shim_ticks\\",\\"boot\\":\\"$boot\\",\\"pid\\":$pid,\\"pidTicks\\":\\"$ticks\\",\\"oom\\":$oom}"

# Before any trap for TERM: a subshell that is asked to end while it still drops inherited traps would not hear it.
if [ "$limit" != 0 ]; then
  (
    sleep "$limit"
    check_owner
    clear "$dir/timeout"
    (set -C && : >"$dir/timeout")
    end_tree
  ) &
fi
# The agent sees too much output sooner; this is for when there is none, before the disk is full.
(
  cd "$dir"
  pause=0.1 size=0 asked=
  # A sleep that knows no fractions sleeps whole seconds.
  while sleep "$pause" || sleep 2 || exit; do
    check_owner
    last=$size
    # The sizes of both, or of the one that is there, and their sum.
    set -- $(wc -c out.log metrics.jsonl)
    size=$((\${1:-0}))
    [ "\${3:-0}" -le "$size" ] || size=$3
    if [ "$size" -gt "$output" ]; then
      pause=0.1
      if [ "$size" -gt $((2 * output)) ]; then
        signal_group KILL || kill -s KILL "$pid"
      elif [ -z "$asked" ]; then
        asked=1
        end_tree &
      fi
    elif [ $((size + 20 * (size - last))) -gt "$output" ]; then
      pause=0.1
    else
      case $pause in
        0.1) pause=0.3 ;;
        0.3) pause=1 ;;
        *) pause=2 ;;
      esac
    fi
  done
) &
# A shutdown of the machine, or of its container, asks the shim too: pass it on, and say so in the record.
told=false
trap 'interrupted=1 told=true; signal_group TERM' TERM INT

while
  interrupted=
  wait "$pid"
  code=$?
  [ -n "$interrupted" ] && kill -0 "$pid" 2>/dev/null
do :; done

trap '' TERM INT
# The watches, their sleeps included: they share the shim's group.
kill -s TERM 0
timeout=false
[ ! -e "$dir/timeout" ] || timeout=true
if signal_group TERM; then
  tries=0
  while [ $tries -lt 10 ] && signal_group 0; do
    sleep 0.05
    tries=$((tries + 1))
  done
  signal_group KILL
fi
if [ $timeout = true ]; then
  # Processes that left the group; without /proc this finds none.
  for file in $(grep -lzxF "HPO_ATTEMPT_KEY=$mark" /proc/[0-9]*/environ 2>/dev/null); do
    file=\${file#/proc/}
    kill -s KILL "\${file%/environ}" 2>/dev/null
  done
fi
# Before the record of the size. A link is not ours to cut.
for file in "$dir/metrics.jsonl" "$dir/out.log"; do
  [ -f "$file" ] && [ ! -L "$file" ] && size=$(wc -c <"$file") && [ "$((size))" -gt "$output" ] &&
    dd if=/dev/null of="$file" bs=1 seek=$((output + 1))
done
size=0
[ ! -f "$dir/out.log" ] || size=$(wc -c <"$dir/out.log")
record exit.json "{\\"code\\":$code,\\"timeout\\":$timeout,\\"told\\":$told,\\"output\\":$((size))}"
`;

/** In containers it may be another user who runs it. */
const shimMode = 0o555;

/** Writes the shim under its version into the folder, once; returns its path. A running one is never changed. */
export async function installShim(disk: Files, dir: string): Promise<string> {
  const version = createHash('sha256').update(`exactly ${shimMode} ${shimScript}`).digest('hex').slice(0, 12);
  const path = join(dir, `shim-${version}.sh`);
  if ((await disk.stat(path).catch(() => null))?.size === Buffer.byteLength(shimScript)) return path;
  await disk.makeFolder(dir);
  const temporary = `${path}.${randomUUID()}`;
  await disk.writeText(temporary, shimScript, shimMode);
  await disk.rename(temporary, path);
  return path;
}
