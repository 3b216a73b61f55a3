"""What is evaluated on both sides. Each evaluation says in a ledger that it begins and that it is done, whoever hears of it."""

import json
import math
import os
import time

SECONDS = 0.3
STEPS = 3


def evaluate(x, y, k, report):
    """Reports `STEPS` losses, the last of which is the result."""
    note("begun", x, y, k)
    loss = (x - 2) ** 2 + (math.log10(y) + 2) ** 2 + (k - 3) ** 2 / 4
    for step in range(1, STEPS + 1):
        time.sleep(SECONDS / STEPS)
        report(step, loss + 1 / step - 1 / STEPS)
    note("done", x, y, k)
    return loss


def note(phase, *point):
    """One write to a file opened for appending: lines of several processes do not mix, and a kill leaves none half written."""
    line = json.dumps({"phase": phase, "pid": os.getpid(), "point": point}) + "\n"
    ledger = os.open(os.environ["FAULTS_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(ledger, line.encode())
    os.close(ledger)
