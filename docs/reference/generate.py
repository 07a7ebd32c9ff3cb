"""Writes the reference pages from the code: `python docs/reference/generate.py`, or `make docs`.

With ``--check`` nothing is written: pages that are out of date are named, and the exit status is 1 if there are any.
What is on a page is what the code says of itself: docstrings, signatures, descriptions of parameters, declared metrics.
Words of `sparring describe` come from the same functions, so the two agree.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import inspect
import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import click

import sparring
from sparring import errors, hookspecs, plugins, recipe
from sparring.metrics import CORE, Metric
from sparring.params import Choice, Params
from sparring.registry import KINDS, Component, Registry
from sparring.sections import EvaluateSpec
from sparring_cli import main
from sparring_cli.catalogue import documentation, example, parameters, type_words
from sparring_cli.commands import COMMANDS

FOLDER = Path(__file__).parent
MARK = "<!-- Generated from the code by `python docs/reference/generate.py` (`make docs`). Do not edit. -->"
LONGEST_DEFAULT = 60  # characters that a table's cell holds

#: The page of interfaces: heading, module, and which of its public names (None: all).
INTERFACES: tuple[tuple[str, str, tuple[str, ...] | None], ...] = (
    ("Components", "sparring.interfaces", None),
    ("Games", "sparring.game", None),
    ("Chance", "sparring.chance", None),
    ("Episodes and records", "sparring.records", None),
    ("What an objective is given", "sparring.batch", ("Totals", "ObjectiveBatch")),
    ("What an evaluator is given", "sparring.evaluation", ("SeatScheme", "Evaluation")),
    ("Conversations", "sparring.chat", ("Conversation",)),
    ("Parameters", "sparring.params", ("Params", "Choice", "component")),
    ("Registration", "sparring.registry", ("Register", "Component")),
    ("Declared metrics", "sparring.metrics", ("Metric",)),
    ("Test kit: games", "sparring.testing.checks", ("check_game", "check_twin")),
    ("Test kit: role schemes", "sparring.testing.schemes", ("check_scheme",)),
    ("Test kit: judges", "sparring.testing.judges", ("check_judge",)),
    ("Test kit: advantage estimators", "sparring.testing.estimators", ("check_estimator",)),
    ("Test kit: objectives", "sparring.testing.objectives", ("check_objective",)),
    ("Test kit: recipes", "sparring.testing.recipes", ("check_recipe",)),
    ("Test kit: what a check raises", "sparring.testing.report", ("CheckFailed",)),
    (
        "Test kit: fakes",
        "sparring.testing.fakes",
        ("play_episode", "ScriptedGenerator", "byte_chat", "trajectory", "make", "chosen"),
    ),
)


# ---- Markdown --------------------------------------------------------------------------------------------------------


def prose(text: str) -> str:
    """A docstring as Markdown: code in single backticks, and nothing in it read as a tag or as emphasis."""
    parts = re.split(r"(``.+?``|`[^`\n]+`)", inspect.cleandoc(text), flags=re.DOTALL)
    parts[::2] = [re.sub(r"([<*])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"`{part.strip('`')}`" for part in parts[1::2]]
    return "".join(parts)


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(titles)
    lines = [[_cell(cell) for cell in line] for line in [titles, ["---"] * len(titles), *rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str, language: str) -> str:
    return f"```{language}\n{text.strip()}\n```"


def anchor(heading: str) -> str:
    """What a heading is called in a link, as GitHub and most others make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def page(title: str, *blocks: str) -> str:
    return "\n\n".join([MARK, f"# {title}", *filter(None, blocks)]) + "\n"


def paragraphs(text: str | None) -> list[str]:
    return inspect.cleandoc(text or "").split("\n\n")


# ---- parameters ------------------------------------------------------------------------------------------------------


def inside(annotation: Any, at: str) -> Iterator[tuple[str, Any]]:
    """Sections (`Params` classes) and components (`Choice` types) within a type, with the keys that lead to them."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Choice or (isinstance(annotation, type) and issubclass(annotation, Params)):
        yield at, annotation
    elif origin is Annotated:
        yield from inside(arguments[0], at)
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            yield from inside(argument, at)
    elif origin in (list, tuple, dict):
        yield from inside(arguments[-1 if origin is dict else 0], f"{at}.{'NAME' if origin is dict else 'N'}")


def found_in(model: type[Params], at: str = "") -> Iterator[tuple[str, Any]]:
    """Everything `inside` the fields of a model, and inside the sections found there."""
    for name, info in model.model_fields.items():
        flat = (model, name) == (EvaluateSpec, "evaluator")  # it stands in the mapping itself
        for path, kind in inside(info.annotation, at if flat else f"{at}.{name}".lstrip(".")):
            yield path, kind
            if get_origin(kind) is not Choice:
                yield from found_in(kind, path)


def sections_of(model: type[Params]) -> dict[type[Params], list[str]]:
    """Every section in a model, with all the keys under which it stands."""
    found: dict[type[Params], list[str]] = {}
    for path, kind in found_in(model):
        if get_origin(kind) is not Choice:
            found.setdefault(kind, []).append(path)
    return {kind: sorted(paths, key=lambda path: path.count(".")) for kind, paths in found.items()}


def heading_of(paths: Iterable[str]) -> str:
    return ", ".join(f"`{path}`" for path in paths)


def parameter_table(model: type[Params], links: Mapping[Any, str], first: str) -> str:
    """The parameters of a model. ``links`` says where each section or component kind in a type is described."""
    rows, texts = [], []
    for row in parameters(model):
        name, words, default = f"`{row.name}`", prose(row.type), f"`{row.default}`"
        if (model, row.name) == (EvaluateSpec, "evaluator"):
            name = "`use`, and the evaluator's parameters"
        info = model.model_fields[row.name]
        nested = {type_words(kind): links[kind] for _, kind in inside(info.annotation, "") if kind in links}
        if nested:
            words = "".join(linked(part, nested) for part in re.split(f"({'|'.join(nested)})", words))
        if row.default == "required":
            default = "required"
        elif row.default in ("''", '""'):
            default = "empty"
        elif len(row.default) > LONGEST_DEFAULT or "\n" in row.default:
            default = "below"
            given = info.get_default(call_default_factory=True, validated_data={})
            texts.append((row.name, given if isinstance(given, str) else row.default))
        rows.append((name, f"{words}, {row.range}" if row.range else words, default, prose(row.description)))
    return "\n\n".join(
        [table((first, "type", "default", "meaning"), rows)]
        + [f"Default of `{name}`:\n\n{code(text, 'text')}" for name, text in texts]
    )


def linked(text: str, links: Mapping[str, str]) -> str:
    return f"[{text}]({links[text]})" if text in links else text


def protocol_kinds() -> dict[Any, str]:
    """Protocol -> kind, as the registering hooks have them."""
    return {get_args(get_type_hints(getattr(hookspecs, hook))["register"])[0]: kind for kind, hook in KINDS.items()}


def component_links(to: str) -> dict[Any, str]:
    return {choice_of(protocol): f"{to}{kind}.md" for protocol, kind in protocol_kinds().items()}


def choice_of(protocol: Any) -> Any:
    return Choice[protocol]


# ---- source ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Definition:
    """A public name of a module: its docstring, and its source without bodies."""

    name: str
    section: str  # what the section comment above it says
    doc: str
    stub: str


def source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def definitions(module: str) -> list[Definition]:
    """The public classes, functions and type aliases of a module, read without importing it."""
    text = source(module)
    lines = text.splitlines()
    found = []
    for node in ast.parse(text).body:
        alias = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            name, doc = node.name, ast.get_docstring(node) or ""
            stub = "\n".join(
                _class(node, lines) if isinstance(node, ast.ClassDef) else _signature(node, lines, docstring=False)
            )
        elif isinstance(alias, ast.Name) and re.match("[A-Z]+[a-z]", alias.id):
            name, doc, stub = alias.id, "", "\n".join(_with_comments(node, lines))
        else:
            continue
        if not name.startswith("_"):
            above = [line for line in lines[: node.lineno] if line.startswith("# ----")]
            found.append(Definition(name, above[-1].strip("# -") if above else "", doc, stub))
    return found


def _class(node: ast.ClassDef, lines: list[str]) -> list[str]:
    """A class without its docstring, private members and bodies."""
    begin = min([node.lineno, *(part.lineno for part in node.decorator_list)])
    end = max(node.lineno, node.body[0].lineno - 1)
    stub, before = lines[begin - 1 : end], 0
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            public = not member.name.startswith("_") or member.name in ("__call__", "__init__")
            part = _signature(member, lines, docstring=True) if public else []
        elif isinstance(member, ast.Assign | ast.AnnAssign):
            target = member.target if isinstance(member, ast.AnnAssign) else member.targets[0]
            part = [] if isinstance(target, ast.Name) and target.id.startswith("_") else _with_comments(member, lines)
        else:
            continue
        # Fields stand together and so do functions of one line; everything else is set apart.
        now = 0 if not isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) else len(part)
        if part and len(stub) > end - begin + 1 and not now == before <= 1:
            stub.append("")
        if part:
            stub, before = [*stub, *part], now
    if len(stub) > end - begin + 1:
        return stub
    return [*stub[:-1], f"{stub[-1]} ..."] if stub[-1].endswith(":") else [*stub, "    ..."]


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str], *, docstring: bool) -> list[str]:
    """A function's decorators and signature, with its docstring if asked for."""
    begin = min([node.lineno, *(part.lineno for part in node.decorator_list)])
    first = node.body[0]
    head = lines[begin - 1 : first.lineno - 1]
    if first.lineno == node.lineno or ast.get_docstring(node) is None or not docstring:
        # The line on which the signature ends, up to its colon.
        text = "\n".join([*head, lines[first.lineno - 1][: first.col_offset]]).rstrip()
        while text.splitlines()[-1].lstrip().startswith("#"):
            text = "\n".join(text.splitlines()[:-1]).rstrip()
        return f"{text} ...".splitlines()
    return [*head, *lines[first.lineno - 1 : first.end_lineno]]


def _with_comments(node: ast.stmt, lines: list[str]) -> list[str]:
    """A statement, with what follows it on its line and the comment lines right above it."""
    begin = node.lineno - 1
    while lines[begin - 1].lstrip().startswith("#") and not lines[begin - 1].startswith("# ----"):
        begin -= 1
    return lines[begin : node.end_lineno]


# ---- pages -----------------------------------------------------------------------------------------------------------


def hooks_page() -> str:
    kinds = {hook: kind for kind, hook in KINDS.items()}
    events = event_names()
    blocks = ["\n\n".join(map(prose, paragraphs(hookspecs.__doc__)[1:]))]
    blocks.append("`Register` and the kinds of component are described in [interfaces](interfaces.md).")
    section = ""
    for hook in definitions(hookspecs.__name__):
        if hook.name.startswith("sparring_"):
            if hook.section != section:
                section = hook.section
                blocks.append(f"## {section[0].upper()}{section[1:]}")
            signature = re.sub(r"^@hookspec\n|: \.\.\.$", "", hook.stub)
            blocks += [f"### `{hook.name}`", code(signature, "python"), prose(hook.doc)]
            if kind := kinds.get(hook.name):
                blocks.append(f"Kind `{kind}`: [those that are bundled](components/{kind}.md).")
    blocks.append("## Events")
    for event in definitions("sparring.interfaces"):
        if event.name in events:
            blocks += [f"### `{event.name}`", prose(event.doc), code(event.stub, "python")]
    return page("Hooks", *blocks)


def event_names() -> list[str]:
    """Names of the classes that observing hooks are given, read without importing what their fields need."""
    hooks = [hook for name, hook in vars(hookspecs).items() if name.startswith("sparring_")]
    return [get_type_hints(hook)["event"].__name__ for hook in hooks if "event" in inspect.signature(hook).parameters]


def component_page(kind: str, registry: Registry, bundled: set[str]) -> str:
    hook = KINDS[kind]
    protocol = next(protocol for protocol, known in protocol_kinds().items() if known == kind)
    title = hook.removeprefix("sparring_register_").replace("_", " ").capitalize()
    about = inspect.cleandoc(getattr(hookspecs, hook).__doc__ or "").partition(": ")[2]
    blocks = [
        prose(about[:1].upper() + about[1:]),
        (
            f"Interface: [`{protocol.__name__}`](../interfaces.md#{anchor(protocol.__name__)}). Registered by "
            f"[`{hook}`](../hooks.md#{hook}). {_used(kind, protocol, registry, bundled)}"
        ),
    ]
    components = [component for component in registry.all(kind) if component.plugin in bundled]
    names = [(f"[`{c.name}`](#{anchor(c.name)})", prose(c.summary)) for c in components]
    blocks.append(table(("name", ""), names) if names else "None is bundled.")
    for component in components:
        blocks += [f"## `{component.name}`", *_component(component)]
    return page(title, *blocks)


def _used(kind: str, protocol: Any, registry: Registry, bundled: set[str]) -> str:
    """Where a recipe names components of a kind."""
    keys = [path for path, found in found_in(recipe.Recipe) if found == choice_of(protocol)]
    paths = [f"`{path}`" for path in sorted(keys, key=lambda path: path.count("."))]
    for user in registry.all():
        if user.plugin in bundled:
            here = [path for path, found in found_in(user.params) if found == choice_of(protocol)]
            paths += [
                f"`{path}` of the {user.kind} [`{user.name}`]({user.kind}.md#{anchor(user.name)})" for path in here
            ]
    return f"In a recipe: {', '.join(paths)}." if paths else ""


def _component(component: Component) -> Iterator[str]:
    facts = [f"Plugin `{component.plugin}`"]
    if component.status != "stable":
        facts.append(component.status)
    if component.paper:
        number = component.paper.removeprefix("arXiv:")
        arxiv = f"[{component.paper}](https://arxiv.org/abs/{number})"
        facts.append(arxiv if number != component.paper else component.paper)
    yield prose(documentation(component))
    yield "; ".join(facts) + "."
    links = component_links("")
    sections = sections_of(component.params)
    links |= {kind: f"#{anchor(f'{component.name} {heading_of(paths)}')}" for kind, paths in sections.items()}
    if component.params.model_fields:
        yield parameter_table(component.params, links, "parameter")
    else:
        yield "It has no parameters."
    if component.metrics:
        told = ", ".join(f"`{metric.pattern}`" for metric in component.metrics)
        yield f"Metrics ([what they mean](../metrics.md)): {told}."
    yield code(example(component), "yaml")
    for section, paths in sections.items():
        yield f"### `{component.name}` {heading_of(paths)}"
        yield prose(section.__doc__ or "")
        yield parameter_table(section, links, "key")


def recipe_page() -> str:
    sections = sections_of(recipe.Recipe)
    links = component_links("components/")
    links |= {kind: f"#{anchor(heading_of(paths))}" for kind, paths in sections.items()}
    blocks = [
        "\n\n".join(map(prose, paragraphs(recipe.__doc__))),
        (
            "A key is written with dots, as `--set` takes it: `policies.NAME.dtype` is `dtype` of each of `policies`, "
            "`play.N.game` is `game` of each entry of the list `play`, counted from 0. A component is a mapping "
            "`{use: NAME, parameter: value}`, or its bare name if every parameter has a default. "
            "`sparring check FILE --resolved` prints every value of a recipe. "
            "[How to write one](../how_to/write_a_recipe.md)."
        ),
        "## The sections",
        prose(paragraphs(recipe.Recipe.__doc__)[0]),
        parameter_table(recipe.Recipe, links, "key"),
    ]
    for section, paths in sections.items():
        blocks += [f"## {heading_of(paths)}", prose(section.__doc__ or ""), parameter_table(section, links, "key")]
    return page("Recipe format", *blocks)


def metrics_page(registry: Registry, bundled: set[str]) -> str:
    blocks = [
        (
            "Names of all numbers that are logged; `*` stands for one part of a name: a game, a role, a policy. "
            "A run writes them to its trackers, by default to `metrics.jsonl`."
        ),
        "## The core",
        _metrics(CORE),
    ]
    declared: dict[tuple[Metric, ...], list[Component]] = {}
    for component in registry.all():
        if component.metrics and component.plugin in bundled:
            declared.setdefault(component.metrics, []).append(component)
    for metrics, components in declared.items():
        names = [f"[`{c.name}`](components/{c.kind}.md#{anchor(c.name)})" for c in components]
        kind = components[0].kind.capitalize() + ("s" if len(components) > 1 else "")
        blocks += [
            f"## {kind} {', '.join(f'`{c.name}`' for c in components)}",
            f"Of {', '.join(names)}.",
            _metrics(metrics),
        ]
    return page("Metrics", *blocks)


def _metrics(metrics: Iterable[Metric]) -> str:
    return table(("metric", "unit", "meaning"), [(f"`{m.pattern}`", m.unit, prose(m.meaning)) for m in metrics])


def error_classes(base: type[Exception] = errors.SparringError) -> list[type[Exception]]:
    """A class and those derived from it in `sparring.errors`, parents first."""
    below = [cls for cls in vars(errors).values() if isinstance(cls, type) and cls.__bases__ == (base,)]
    return [base, *(found for cls in below for found in error_classes(cls))]


def errors_page() -> str:
    # The tree in the module's docstring says what each is in a few words; a docstring of its own says more.
    told = dict(re.findall(r"(\w+) {2,}(\S.*)", errors.__doc__ or ""))
    rows = []
    for cls in error_classes():
        depth = len(cls.__mro__) - len(errors.SparringError.__mro__)
        words = told.get(cls.__name__, "")
        meaning = inspect.cleandoc(cls.__doc__ or "") or f"{words[:1].upper()}{words[1:]}."
        status = str(cls.__dict__.get("exit_status") or getattr(cls, "exit_status", ""))
        rows.append((f"{'↳ ' * depth}`{cls.__name__}`", status, prose(meaning)))
    return page(
        "Errors",
        "All that is raised on purpose, from `sparring.errors`. The command line shows these without a traceback.",
        table(("error", "exit status", "meaning"), rows),
        "An illegal move is no error: it is data that the scheme handles, see "
        f"[`Move`](interfaces.md#{anchor('Move')}).",
        "## Exit statuses",
        table(
            ("status", "meaning"),
            [
                ("0", "Done, or stopped by Ctrl-C after a step, with everything saved."),
                ("1", "It failed, or was stopped at once. An exception that is none of these has a traceback."),
                ("2", "What was typed is wrong: a command, an option, a recipe, a plugin or a folder."),
            ],
        ),
        "## Problems in a recipe",
        *(
            block
            for found in definitions(errors.__name__)
            if found.name == errors.Problem.__name__
            for block in (
                f"`RecipeError.problems` has one `{found.name}` for each.",
                prose(found.doc),
                code(found.stub, "python"),
            )
        ),
    )


def command_page() -> str:
    context = click.Context(main, info_name="sparring", help_option_names=main.context_settings["help_option_names"])
    blocks = [*_command(main, context), "Options before a command's name hold for it as well.", "## Commands"]
    commands = [(name, main.get_command(context, name)) for name in COMMANDS]
    blocks.append(
        table(
            ("command", ""), [(f"[`{n}`](#sparring-{n})", prose(c.get_short_help_str(200))) for n, c in commands if c]
        )
    )
    for name, command in commands:
        assert command is not None
        blocks += [f"## `sparring {name}`", *_command(command, click.Context(command, info_name=name, parent=context))]
    blocks += [
        "## Environment",
        table(
            ("variable", "meaning"),
            [(f"`{plugins.DISABLED}`", "Plugins to leave out, with commas between: `--no-plugin` for every command.")],
        ),
        "Exit statuses are with the [errors](errors.md#exit-statuses).",
    ]
    return page("Command line", *blocks)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield code(" ".join([context.command_path, *command.collect_usage_pieces(context)]), "text")
    yield prose(command.help or "")
    options = [option for option in command.get_params(context) if isinstance(option, click.Option)]
    records = [record for option in options if (record := option.get_help_record(context)) is not None]
    yield table(("option", "meaning"), [(f"`{names}`", prose(meaning)) for names, meaning in records])


def interfaces_page() -> str:
    events = event_names()
    blocks = [
        (
            "What a plugin author meets: the interfaces of components, and what they are given. "
            "Nothing has to inherit from a `Protocol`."
        ),
        f"Import these from `sparring` itself: {', '.join(f'`{name}`' for name in sparring.__all__)}.",
    ]
    for heading, module, names in INTERFACES:
        found = [d for d in definitions(module) if (names is None or d.name in names) and d.name not in events]
        blocks += [f"## {heading}", f"Module `{module}`."]
        if names is None:
            blocks.append("\n\n".join(map(prose, paragraphs(ast.get_docstring(ast.parse(source(module))))[1:])))
        section = ""
        for definition in found:
            if names is None and definition.section != section:
                section = definition.section
                blocks.append(f"**{section[0].upper()}{section[1:]}**")
            blocks += [f"### `{definition.name}`", prose(definition.doc), code(definition.stub, "python")]
    blocks.append("Events are with the [hooks](hooks.md#events) that get them, errors on [their own page](errors.md).")
    return page("Interfaces", *blocks)


def pages() -> tuple[dict[str, str], list[str]]:
    """Every page by its path below this folder, and a line for each bundled plugin that cannot be described."""
    host = plugins.load_plugins()
    # Others may be installed here as well; the pages describe what is bundled.
    ours = [info for info in host.plugins if info.distribution == "sparring"]
    bundled = {info.name for info in ours if not info.error}
    broken = [f"plugin '{info.name}' could not be loaded: {info.error}" for info in ours if info.error]
    texts = {
        "hooks.md": hooks_page(),
        "recipe_format.md": recipe_page(),
        "metrics.md": metrics_page(host.registry, bundled),
        "errors.md": errors_page(),
        "command_line.md": command_page(),
        "interfaces.md": interfaces_page(),
    }
    texts |= {f"components/{kind}.md": component_page(kind, host.registry, bundled) for kind in KINDS}
    return texts, broken


# ---- writing ---------------------------------------------------------------------------------------------------------


def stale(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """The pages in ``folder`` that are not as they should be: other, missing, or of something that is gone."""
    present = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.md")}
    wrong = {name for name, text in texts.items() if present.get(name) != text}
    return sorted(wrong | {name for name, text in present.items() if text.startswith(MARK) and name not in texts})


def run(arguments: list[str], folder: Path = FOLDER) -> int:
    """Write the pages, or check them. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the reference pages from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; name the pages that are out of date")
    check: bool = parser.parse_args(arguments).check
    texts, broken = pages()
    for line in broken:
        print(f"warning: {line}; the pages do without what it registers", file=sys.stderr)
    wrong = stale(folder, texts)
    for name in wrong:
        path = folder / name
        print(f"{path}: {'out of date, run `make docs`' if check else 'written' if name in texts else 'removed'}")
        if check:
            continue
        if name in texts:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[name], encoding="utf-8")
        else:
            path.unlink()
    return int(check and bool(wrong))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
