"""Ask and tell for any tuner: JSON lines on stdin, one answer a line on stdout. A peer is a class that `serve` is given.

{"id": 1, "create": {"method", "parameters", "seed", "trials", "workers", "history"}}
                                    -> {"id": 1, "version": "5.0.0"}; history: [[params, loss], …] to be told first, or absent
{"id": 2, "ask": {}}                -> {"id": 2, "number": 0, "params": {…}, "seconds": 0.01}
{"id": 3, "tell": {"number", "loss"}} -> {"id": 3, "seconds": 0.001}

A peer has `__init__(method, parameters, seed, trials, workers)`, `version`, `ask() -> (token, params)`, `tell(token, loss)`, and
`add(params, loss)` where it can be given a history. Losses are minimised. The seconds are those of the peer alone.
"""

import json
import os
import re
import sys
import time
import warnings


def serve(Peer):
    warnings.filterwarnings("ignore")
    # What a tuner prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer, tokens = None, {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer, peer = step(Peer, peer, tokens, request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps({"id": request["id"], **answer}) + "\n")
        answers.flush()


def step(Peer, peer, tokens, request):
    if "create" in request:
        create = request["create"]
        tokens.clear()
        parameters = create["parameters"]
        peer = Peer(create["method"], parameters, create["seed"], create["trials"], create["workers"])
        for params, loss in create.get("history", []):
            peer.add(params, loss)
        peer.asked = 0
        return {"version": peer.version}, peer
    if "ask" in request:
        start = time.perf_counter()
        token, params = peer.ask()
        seconds = time.perf_counter() - start
        number = peer.asked
        peer.asked += 1
        tokens[number] = token
        return {"number": number, "params": params, "seconds": seconds}, peer
    tell = request["tell"]
    start = time.perf_counter()
    peer.tell(tokens.pop(tell["number"]), tell["loss"])
    return {"seconds": time.perf_counter() - start}, peer


def is_active(parameter, params):
    """Whether the condition of a parameter holds, given the parameters before it."""
    if parameter["when"] is None:
        return True
    try:
        return bool(eval(parameter["when"], {"true": True, "false": False}, params))
    except NameError:
        return False


def active_only(parameters, params):
    """Drops what is inactive: tuners without conditions propose a value for everything."""
    kept = {}
    for parameter in parameters:
        if is_active(parameter, kept):
            kept[parameter["name"]] = params[parameter["name"]]
    return kept


def condition_values(when):
    """Parent and operator of a condition that compares one parameter with constants: ("kernel", "==", ["poly", "rbf"])."""
    parts = [re.fullmatch(r'\(?(\w+) (==|!=) (.+?)\)?', part) for part in when.split(" or ")]
    (parent,) = {part[1] for part in parts}
    (operator,) = {part[2] for part in parts}
    return parent, operator, [json.loads(part[3]) for part in parts]
