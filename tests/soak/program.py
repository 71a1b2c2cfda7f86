# SPDX-License-Identifier: MIT
"""What random programs are made of, as data: from one expression both its Lua text and what it gives in the model, a
plain interpreter. make.py makes programs.

What a flow returns hangs on nothing but its input, so timing, restarts and deaths change nothing: a race has one branch
that can end, of `any` one that succeeds; signals carry what their name says.

    block        {"do": [expression, ...], "then": ["return"] | ["error", code] | ["never", how]}
    expression   [kind, ...]: one of KINDS, each a function below; its value is never nil
"""
import collections

NEVER = "never"     # the flow, the signal and the branches that do not end


class ModelError(Exception):
    """An error that a flow would see."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class End:
    """What a run comes to. signals: name -> how many it takes; undo: numbers of its compensations, in the order in
    which they run; cost: how long it takes, as it were."""

    def __init__(self, status, output, code, state):
        self.status, self.output, self.code = status, output, code
        self.signals, self.tags, self.undo, self.cost = state.signals, state.tags, state.undo[::-1], state.cost


class State:
    """Of a run in the model."""

    def __init__(self, program, number):
        self.program, self.number, self.items, self.cost = program, number, {}, 0
        self.signals, self.tags, self.undo = collections.Counter(), {}, []


# --- expressions: Lua text, and value in the model ----------------------------------------------------------------

KINDS = {}
COSTS = {"suspend": 20, "once": 5, "once_step": 5, "mend": 20, "signal": 5}
MAX_COST = 200


def kind(fn):
    """A kind of expression: fn(*arguments) -> Lua text, fn(state) -> value."""
    KINDS[fn.__name__.rstrip("_")] = fn
    return fn


def lua(expression):
    return KINDS[expression[0]](*expression[1:])[0]


def value_of(expression, state):
    state.cost += COSTS.get(expression[0], 1)
    return KINDS[expression[0]](*expression[1:])[1](state)


def caught(block, state, times=1):
    for _ in range(times - 1):
        try:
            run(block, state)
        except ModelError:
            pass
    try:
        return [True, run(block, state)]
    except ModelError as error:
        return [False, error.code]


def body(block):
    lines = ["local out = {}"] + [f"out[#out + 1] = {lua(one)}" for one in block["do"]]
    how, *arguments = block["then"]
    lines.append({"return": "return out", "error": 'error { code = "%s", message = "m" }', "never": "%s"}[how]
                 % tuple(arguments) if arguments else "return out")
    return "\n".join(lines)


def function(block):
    return f"function()\n{body(block)}\nend"


def functions(blocks):
    return "{ " + ", ".join(function(block) for block in blocks) + " }"


def run(block, state):
    out = [value_of(one, state) for one in block["do"]]
    assert block["then"][0] != "never", "the model cannot wait for ever"
    if block["then"][0] == "error":
        raise ModelError(block["then"][1])
    return out


@kind
def input_():
    return "input.n", lambda state: state.number


@kind
def item(name):
    return name, lambda state: state.items[name]


@kind
def pure(n):
    return f'ctx.step("p{n}", function() return {n} end)', lambda state: n


@kind
def request(n):
    return f'get("/ok/", {n})', lambda state: n


@kind
def flaky(n, refusals, base):
    """The service refuses at first."""
    return f'get("/flaky/{refusals}/", {n}, {{ retry = {{ max = {refusals}, base = {base}, jitter = true }} }})', \
        lambda state: n


@kind
def once(n):
    return f'get("/once/", {n}, {{ once = true }})', lambda state: n


@kind
def once_step(n):
    return f'ctx.step("o{n}", function() return get("/once/", {n}) end, {{ once = true }})', lambda state: n


@kind
def mend(n):
    """Fails until somebody has mended it: the run is suspended meanwhile."""
    return f'get("/mend/", {n})', lambda state: n


@kind
def component(n):
    return f'ctx.component("c", {{ n = {n} }})', lambda state: {"n": n, "twice": 2 * n}


@kind
def sleep(seconds):
    return f'(ctx.sleep({seconds}) or "slept")', lambda state: "slept"


@kind
def sleep_until(seconds):
    return f'(ctx.sleep_until(ctx.now() + {seconds}) or "until")', lambda state: "until"


@kind
def keep(n):
    return f"keep({n})", lambda state: n


@kind
def chance():
    return '(ctx.uuid() and ctx.random(9) and math.random(9) and "chance")', lambda state: "chance"


@kind
def log(n):
    return f'(ctx.log.info("line", {n}) or ctx.progress({n}, 1000, "t") or {n})', lambda state: n


@kind
def tag(n, text):
    def value(state):
        state.tags[f"t{n}"] = text
        return n
    return f'(ctx.tag("t{n}", "{text}") or {n})', value


@kind
def undo(n):
    def value(state):
        state.undo.append(n)
        return n
    return f"undo({n})", value


@kind
def signal(name):
    def value(state):
        state.signals[name] += 1
        return signal_data(name)
    return f'ctx.wait("{name}")', value


@kind
def in_vain(seconds):
    return f'caught(ctx.wait, "{NEVER}", {{ timeout = {seconds} }})', lambda state: [False, "TIMEOUT"]


@kind
def suspend(n):
    return f'ctx.suspend("S{n}")', lambda state: suspend_value(f"S{n}")


@kind
def call(flow, n):
    return f'ctx.call("{flow}", {{ n = {n} }})', lambda state: called(state, flow, n)


@kind
def call_caught(flow, n):
    def value(state):
        try:
            return [True, called(state, flow, n)]
        except ModelError as error:
            return [False, error.code]
    return f'caught(ctx.call, "{flow}", {{ n = {n} }})', value


@kind
def call_retried(flow, n, code):
    """Fails each time."""
    options = f'{{ retry = {{ max = 2, base = 0.01, on = {{ "{code}" }} }} }}'
    return f'caught(ctx.call, "{flow}", {{ n = {n} }}, {options})', lambda state: [False, code]


@kind
def call_in_vain(seconds, retries):
    options = f'{{ timeout = {seconds}, retry = {{ max = {retries}, base = 0 }} }}'
    return f'caught(ctx.call, "{NEVER}", {{ n = 0 }}, {options})', lambda state: [False, "TIMEOUT"]


@kind
def start(flow, n):
    return f'#ctx.start("{flow}", {{ n = {n} }})', lambda state: 26


def called(state, flow, n):
    end = state.program.end_of(flow, n)
    state.cost += end.cost
    if end.status != "succeeded":
        raise ModelError(end.code)
    return end.output


@kind
def step(n, block):
    return f'ctx.step("s{n}", {function(block)})', lambda state: run(block, state)


@kind
def timely(n, block):
    """In a step that may take a very long time."""
    return f'ctx.step("i{n}", {function(block)}, {{ timeout = 5000 }})', lambda state: run(block, state)


@kind
def late(n, block, seconds):
    return f'caught(ctx.step, "l{n}", {function(block)}, {{ timeout = {seconds} }})', lambda state: [False, "TIMEOUT"]


@kind
def try_(block):
    return f"caught({function(block)})", lambda state: caught(block, state)


@kind
def retried(n, block, base):
    """Its block ends with an error, three times."""
    options = f'{{ retry = {{ max = 2, base = {base}, factor = 1, on = {{ "{block["then"][1]}" }} }} }}'
    return f'caught(ctx.step, "r{n}", {function(block)}, {options})', lambda state: caught(block, state, 3)


@kind
def all_(blocks):
    return f"{{ ctx.all {functions(blocks)} }}", lambda state: [run(block, state) for block in blocks]


@kind
def all_caught(blocks):
    """Some of them fail: the lowest is told, once all have ended."""
    def value(state):
        ends = [caught(block, state) for block in blocks]
        return next(end for end in ends if not end[0])
    return f"caught(function() return {{ ctx.all {functions(blocks)} }} end)", value


@kind
def map_(name, items, width, block):
    def value(state):
        out = []
        for one in items:
            state.items[name] = one
            out.append(run(block, state))
        return out
    numbers = ", ".join(str(one) for one in items)
    return f"ctx.map({{ {numbers} }}, function({name})\n{body(block)}\nend, {{ concurrency = {width} }})", value


@kind
def any_(blocks, winner):
    return f"{{ ctx.any {functions(blocks)} }}", lambda state: [run(blocks[winner], state), winner + 1]


@kind
def none(blocks):
    """All of them fail."""
    def value(state):
        for block in blocks:
            caught(block, state)
        return [False, "ALL_FAILED"]
    return f"caught(function() return {{ ctx.any {functions(blocks)} }} end)", value


@kind
def race(blocks, winner):
    return f"{{ ctx.race {functions(blocks)} }}", lambda state: [run(blocks[winner], state), winner + 1]


# --- what comes from outside --------------------------------------------------------------------------------------

def signal_data(name):
    return {"of": name}


def suspend_value(code):
    return {"said": code}
