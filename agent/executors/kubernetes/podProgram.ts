import { outputFileNames } from '../attempt/outputFile.ts';
import { inputs, podPlaces } from './places.ts';
import { storeSeconds } from './storeProgram.ts';

/** Bytes of output from which on a pod waits for a reader before it ends: nodes rotate logs away, the usual ones from 10 MB on. */
export const patientBytes = 4 * 1024 * 1024;

/** Most bytes of what was reported in the termination message: with the end and the last of the output less than what that may have. */
export const reportedBytes = 1_024;

/** Seconds for which a program that has ended by itself waits for its last checkpoint to be sent. */
const storePatience = 600;

/**
 * The first process of a pod, in POSIX sh (dash, bash, busybox) with the few tools that every image has which has one. It
 * - copies the code, and the trial's files over it, into the work folder;
 * - runs the shim, the same as everywhere, and passes on that the pod is to end, with a grace of its own, so that the record of the
 *   end is written while there is somebody to write it;
 * - waits, where an object store keeps checkpoints, for the container that brings and sends them;
 * - writes what is new in the attempt's files to the log of the pod, as `podLog.ts` says: quickly at first, and every second later;
 * - tells the end, and waits with much output until it has been read: whoever read it removes the pod.
 *
 * dd moves to a position without reading, so each byte is read once, however large the file.
 */
export const podProgram = `# Arguments: deadline, grace and longest wait for a reader in seconds, mark, most bytes of output, folder of the work
# folder that is the checkpoint's, folder of a checkpoint to begin with (both may be empty), count of further files to read and
# these, relative to the work folder; then the program and its arguments. HPO_POD is what tells our lines in the log.
limit=$1 grace=$2 patience=$3 mark=$4 most=$5 link=$6 fork=$7 files=$8
shift 8
dir=${podPlaces.attempt} work=${podPlaces.work} in=${podPlaces.input} kept=${podPlaces.checkpoint} attempts=${podPlaces.attempts} store=${podPlaces.store} nonce=$HPO_POD
unset HPO_POD
rs=$(printf '\\036')
trap 'exit 143' TERM INT

tell() {
  printf '%shpo %s %s\\n' "$rs" "$nonce" "$1"
}

fail() {
  tell "fault $1"
  printf '%s\\n' "{\\"fault\\":\\"$1\\"}" >/dev/termination-log
  exit 70
}

cd "$work" || fail 'there is no work folder'
# The files of a ConfigMap are links into "..data".
objects=$in
[ ! -d "$in/..data" ] || objects=$in/..data
if [ -d "$objects/${inputs.code}" ]; then
  cp -RL "$objects/${inputs.code}/." . || fail 'the code could not be copied'
elif [ -d ${podPlaces.code} ]; then
  cp -RP ${podPlaces.code}/. . || fail 'the code could not be copied'
fi
if [ -f "$objects/${inputs.setup}" ]; then
  sh "$objects/${inputs.setup}" || fail 'the code could not be laid out'
fi
# The folder itself belongs to the node.
for one in ./* ./.[!.]*; do
  [ ! -e "$one" ] || [ -L "$one" ] || chmod -R u+w "$one" || fail 'the code could not be made writable'
done
if [ -d "$objects/${inputs.spliced}" ]; then
  # Links to large files of an image lead to where nothing can be written: -f puts a file in their place.
  cp -RLf "$objects/${inputs.spliced}/." . || fail 'the files of the trial could not be copied'
fi
if [ -f "$objects/${inputs.join}" ]; then
  sh "$objects/${inputs.join}" "$objects" || fail 'the files of the trial could not be joined'
fi

# Another container brings the checkpoint.
if [ -d "$store" ]; then
  until [ -f "$store/begun" ]; do sleep 0.1 2>/dev/null || sleep 1; done
  read -r begun <"$store/begun"
  [ "$begun" = ok ] || fail "$begun"
  if [ -f "$store/note" ]; then
    read -r note <"$store/note"
    printf '%s\\n' "hpo: $note" >>"$dir/${outputFileNames.out}"
  fi
fi

# The latest folder of an attempt in $1 before the attempt $2, of those that are whole and have anything.
latest() {
  best=0
  for one in "$1"/a*; do
    number=\${one##*/a}
    case $number in '' | *[!0-9]*) continue ;; esac
    [ "$number" -gt $best ] && [ "$number" -lt "$2" ] || continue
    [ ! -e "$one/.hpo-new" ] && [ ! -e "$one/.hpo-moving" ] && [ -n "$(ls -A "$one")" ] || continue
    best=$number
  done
  [ $best -eq 0 ] || printf '%s' "$1/a$best"
}

# With what it begins: where its trial had none before, with that of the trial of which it is a fork.
beginning() {
  from=$(latest "$attempts" "$HPO_ATTEMPT")
  [ -n "$from" ] || [ -z "$fork" ] || from=$(latest "$fork" 1000000000)
}

# Of the names, sizes and numbers of files: one that is replaced or grows meanwhile is another one.
state_of() { ls -lAniR "$1" 2>/dev/null; }

from=
# Whole or not at all, and once. The attempt before it may still run, on a node that is cut off: it writes into its own.
if [ ! -e "$kept/.hpo-moving" ] && { [ -e "$kept/.hpo-new" ] || [ -z "$(ls -A "$kept")" ]; }; then
  tries=0
  rm -rf "$kept/.hpo-new"
  beginning
  while [ -n "$from" ]; do
    tries=$((tries + 1))
    state=$(state_of "$from")
    if mkdir "$kept/.hpo-new" && cp -RP "$from/." "$kept/.hpo-new/"; then
      # Whoever writes into it just now is given a while to come to an end of it.
      [ $tries -lt 10 ] && [ "$state" != "$(state_of "$from")" ] || break
    else
      [ $tries -lt 10 ] || fail 'the checkpoint could not be copied'
    fi
    sleep 1
    rm -rf "$kept/.hpo-new"
    beginning
  done
  if [ -n "$from" ]; then
    mv "$kept/.hpo-new" "$kept/.hpo-moving" || fail 'the checkpoint could not be copied'
  fi
fi
if [ -e "$kept/.hpo-moving" ]; then
  for one in "$kept"/.hpo-moving/* "$kept"/.hpo-moving/.[!.]*; do
    [ ! -e "$one" ] || mv "$one" "$kept/" || fail 'the checkpoint could not be copied'
  done
  rmdir "$kept/.hpo-moving" || fail 'the checkpoint could not be copied'
  # The one that it was copied from stays, until the next attempt has its own.
  for one in "$attempts"/a*; do
    number=\${one##*/a}
    case $number in '' | *[!0-9]*) continue ;; esac
    [ "$number" -ge $((HPO_ATTEMPT - 1)) ] || [ "$one" = "$from" ] || rm -rf "$one"
  done
fi
if [ -n "$link" ]; then
  rm -rf "./$link" && mkdir -p "./$link" && rmdir "./$link" && ln -s "$kept" "./$link" || fail 'the checkpoint folder could not be linked'
fi

# Kills by the kernel for want of memory in this container so far; nothing where that is not told.
kills() {
  for counts in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$counts" ] || continue
    while read -r word count; do
      [ "$word" != oom_kill ] || echo "$count"
    done <"$counts"
  done
}
kills=$(kills)

i=0
while [ $i -lt "$files" ]; do
  eval "file_$i=\\$1 sent_$i=0"
  shift
  i=$((i + 1))
done
sent_out=0 sent_metrics=0 total=0 moved=

# What is new in a file: its name in the log, the variable of its position, its path, most bytes of it; a piece at a time.
send() {
  while :; do
    eval "at=\\$sent_$2"
    left=$(($4 - at))
    [ $left -gt 0 ] && [ -f "$3" ] || return 0
    [ $left -lt 262144 ] || left=262144
    { dd bs=1 skip="$at" count=0; dd bs=$left count=1; } <"$3" >"$dir/.chunk" 2>/dev/null
    [ -s "$dir/.chunk" ] || return 0
    size=$(wc -c <"$dir/.chunk")
    size=$((size))
    tell "bytes $at $size $1"
    cat "$dir/.chunk"
    echo
    eval "sent_$2=$((at + size))"
    total=$((total + size)) moved=1
    [ $size -eq $left ] || return 0
  done
}

size_of() {
  size=0
  [ ! -f "$1" ] || size=$(wc -c <"$1")
  size=$((size))
}

# What was printed before something was reported is read before that: only what was there before the output was looked at.
send_all() {
  moved=
  size_of "$dir/${outputFileNames.metrics}"
  upto_metrics=$size
  i=0
  while [ $i -lt "$files" ]; do
    eval "path=\\$file_$i"
    size_of "./$path"
    eval "upto_$i=$size"
    i=$((i + 1))
  done
  send out out "$dir/${outputFileNames.out}" $((most + 1))
  [ "$upto_metrics" -le "$most" ] || upto_metrics=$((most + 1))
  send metrics metrics "$dir/${outputFileNames.metrics}" "$upto_metrics"
  i=0
  while [ $i -lt "$files" ]; do
    eval "path=\\$file_$i upto=\\$upto_$i"
    send "work/$path" $i "./$path" "$upto"
    i=$((i + 1))
  done
}

# In a process of its own, as a shell can wait for one thing only: USR1 asks for the rest and the end, USR2 to hurry.
mirror() {
  last= hurry= nap= tick=0 idle=0 short=0.05 brief=0.1 middle=0.3
  trap 'last=1; [ -z "$nap" ] || kill "$nap"' USR1
  trap 'hurry=1; [ -z "$nap" ] || kill "$nap"' USR2
  trap '' TERM INT
  # A sleep that knows no fractions sleeps whole seconds.
  sleep 0.01 2>/dev/null || short=1 brief=1 middle=1
  while [ -z "$last" ]; do
    if [ $tick -lt 20 ]; then pause=$short
    elif [ -n "$hurry" ] || [ $tick -lt 40 ]; then pause=$brief
    elif [ $tick -lt 50 ]; then pause=$middle
    else pause=1
    fi
    tick=$((tick + 1))
    sleep "$pause" &
    nap=$!
    wait "$nap" 2>/dev/null
    nap=
    send_all
    idle=$((idle + 1))
    [ -z "$moved" ] || idle=0
    # A sign of life: who reads knows a dead connection from a program that prints nothing.
    if [ $idle -ge 30 ]; then
      idle=0
      tell alive
    fi
  done
  exit=null
  if [ -f "$dir/exit.json" ]; then read -r exit <"$dir/exit.json"; fi
  code=$1
  [ ! -f "$dir/.shim" ] || read -r code <"$dir/.shim"
  send_all
  now=$(kills)
  end="{\\"out\\":$sent_out,\\"metrics\\":$sent_metrics,\\"kills\\":$((\${now:-0} - \${kills:-0})),\\"shim\\":$code,\\"exit\\":$exit}"
  # Of what was reported the last lines, whole, so that a result outlives its node; a message has 4,096 bytes.
  : >"$dir/.last"
  if [ $sent_metrics -gt 0 ]; then
    head -c $sent_metrics "$dir/${outputFileNames.metrics}" | tail -c ${reportedBytes} >"$dir/.last"
    if [ $sent_metrics -gt ${reportedBytes} ]; then
      tail -n +2 "$dir/.last" >"$dir/.lines"
      mv "$dir/.lines" "$dir/.last"
    fi
  fi
  size_of "$dir/.last"
  {
    printf '%s\\n' "$end" "$size"
    cat "$dir/.last"
  } >/dev/termination-log
  if [ -f "$dir/${outputFileNames.out}" ]; then
    tail -c 2048 "$dir/${outputFileNames.out}" | tr '\\000-\\010\\013-\\037\\177-\\377' '?' >>/dev/termination-log
  fi
  tell "end $end"
  [ $total -le ${patientBytes} ] || exit 3
  exit 0
}

tell begin
: >>"$dir/${outputFileNames.out}"
mirror 0 &
mirror=$!
/bin/sh "$in/${inputs.shim}" "$dir" "$limit" "$grace" "$mark" 0 "$most" "$@" >>"$dir/${outputFileNames.out}" 2>&1 &
shim=$!
told=
# In the trap itself: between a look and the wait that follows it a signal would be missed.
pass_on() {
  [ -z "$told" ] || return 0
  told=1
  kill -s TERM "$shim"
  kill -s USR2 "$mirror"
  # Sooner than the node, which would leave no record.
  {
    sleep "$grace"
    read -r start <"$dir/start.json"
    start=\${start#*\\"pid\\":}
    start=\${start%%[!0-9]*}
    kill -s KILL -- "-$start" || kill -s KILL "$start"
  } 2>/dev/null &
}
trap pass_on TERM INT
while
  wait "$shim"
  code=$?
  kill -0 "$shim" 2>/dev/null
do :; done
trap 'exit 143' TERM INT
# Where the shim did not live to end the program, that does not go on beside its end.
if [ ! -f "$dir/exit.json" ] && [ -f "$dir/start.json" ]; then
  read -r begun <"$dir/start.json"
  pid=\${begun#*\\"pid\\":}
  pid=\${pid%%[!0-9]*}
  [ -z "$pid" ] || kill -s KILL -- "-$pid" 2>/dev/null
fi
# The end is told when what the program saved last is in the store: the next attempt begins with it.
if [ -d "$store" ]; then
  tries=0 most_tries=${storePatience} pause=0.1
  [ -z "$told" ] || most_tries=${storeSeconds - 5}
  trap 'tries=0 most_tries=${storeSeconds - 5}' TERM INT
  : >"$store/flush"
  while [ ! -f "$store/sent" ] && [ $tries -lt "$most_tries" ]; do
    [ $tries -lt 10 ] || pause=1
    sleep $pause 2>/dev/null || sleep 1
    tries=$((tries + 1))
  done
  if [ ! -f "$store/sent" ]; then
    fault='it took too long'
    [ ! -f "$store/fault" ] || read -r fault <"$store/fault"
    printf '%s\\n' "hpo: the last checkpoint was not sent: $fault" >>"$dir/${outputFileNames.out}"
  fi
  trap 'exit 143' TERM INT
fi
printf '%s\\n' "$code" >"$dir/.shim"
kill -s USR1 "$mirror"
wait "$mirror"
if [ $? -eq 3 ]; then
  # Whoever has read all of it removes the pod. The node may have rotated away even the last line: it is said again.
  read -r end </dev/termination-log
  waited=0
  while [ $waited -lt "$patience" ]; do
    sleep 10 &
    wait $!
    waited=$((waited + 10))
    tell "end $end"
  done
fi
exit=
if [ -f "$dir/exit.json" ]; then read -r exit <"$dir/exit.json"; fi
code=\${exit#*\\"code\\":}
code=\${code%%[!0-9]*}
exit "\${code:-1}"
`;
