/** Claim of the volume on which a test lets trials end, and which keeps their checkpoints, below `keptFolder`. */
export const gateClaim = 'gate';
export const keptFolder = 'kept';

/** A script whose trials take a while and next to no processor, say once who they are, and report each step once. */
export const steadyScript = (image: string, steps: number): string =>
  [
    '# @hpo.objective loss min',
    `# @hpo.image ${image}`,
    '# @hpo.resources cpus=0.1 memory=100MB',
    'import time',
    'x = 3.0  # @hpo float(0, 10)',
    `for step in range(1, ${steps} + 1):`,
    '    time.sleep(0.5)',
    '    print(f"step {step} loss={(x - 4) ** 2 + 1 / step}", flush=True)',
    '',
  ].join('\n');

/**
 * The same with a fidelity, whose result follows from each of its steps, done once: it saves each, goes on from what was saved, and writes
 * down on the volume what it does, as it does it. The trials from `heldFrom` on do their last step when `/gate/open` is there.
 */
export const savingScript = (image: string, heldFrom: number): string => `# @hpo.objective loss min
# @hpo.image ${image}
# @hpo.resources cpus=0.1 memory=100MB
# @hpo.checkpoint dir=ckpt/${storeWords}
${gateLine}import json, os, time, uuid
x = 3.0  # @hpo float(0, 10)
steps = 18  # @hpo fidelity(2, 18, eta=3)
kept = os.environ["HPO_CHECKPOINT_DIR"]
path = os.path.join(kept, "state.json")
state = json.load(open(path)) if os.path.exists(path) else {"step": 0, "loss": 100.0}
name = uuid.uuid4()

def note(line):
    with open(os.path.join(kept, "ledger"), "a") as ledger:
        ledger.write(line + "\\n")

note(f"began {os.environ['HPO_ATTEMPT']} {name} {state['step']}")
print(f"began {name} from {state['step']}", flush=True)
while state["step"] < steps:
    while state["step"] == steps - 1 and int(os.environ["HPO_TRIAL"]) >= ${heldFrom} and not os.path.exists("${gateFile}"):
        ${holdLine}
    ${pauseLine}
    state = {"step": state["step"] + 1, "loss": state["loss"] * 0.7 + (x - 4) ** 2}
    note(f"step {state['step']} {name}")
    print(f"step {state['step']} loss={state['loss']!r}", flush=True)
    with open(path + ".new", "w") as file:
        json.dump(state, file)
    os.replace(path + ".new", path)
`;

const storeWords = ` store=pvc://${gateClaim}/${keptFolder}`;
const gateLine = `# @hpo.data pvc://${gateClaim} -> /gate ro\n`;
const gateFile = '/gate/open';
const pauseLine = 'time.sleep(0.5)';
const holdLine = 'time.sleep(0.2)';
/** Beside the checkpoint: by whom it was written last. */
export const pulseFile = 'pulse';

/** A saving script that goes on writing beside its checkpoint while it is held. */
export function pulsing(script: string): string {
  const write = `with open(os.path.join(kept, "${pulseFile}"), "a") as pulse: pulse.write(os.environ["HPO_ATTEMPT"] + "\\n")`;
  return script.replace(holdLine, `${write}\n        ${holdLine}`);
}

/** A saving script with the same results, at once, and without a volume. */
export function quickly(script: string): string {
  return script.replace(gateLine, '').replace(storeWords, '').replace(gateFile, '/').replace(pauseLine, 'pass');
}
