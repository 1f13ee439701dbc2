"""How commands are made of requests: options, help in groups, completion, output and errors.

A command is a function of one or more requests (dataclasses of :mod:`.core.settings`) that returns an
:class:`Output`; its options, their defaults and their help are those that the requests declare. Nothing but the
standard library and click is imported before a command runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .cli_errors import ended, escaping
from .cli_process import note, say, show_own_log, strict_json
from .core.command_options import REQUIRED, Setting, fields_of, from_options
from .core.errors import UsageError
from .core.params.options import PROFILES, OptionSet, option_words

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


_PROGRAM: Any = object()
"""Marks the context of commands that are run as a program of their own."""


@dataclass(frozen=True)
class Output:
    """What a command prints on stdout.

    data : what ``--json`` prints, as a function without arguments
    text : what is printed else, in the same way; nothing where it is empty
    exit_code : of the process
    then : what goes on after that has been printed, and gives the exit code
    """

    data: Callable[[], Any]
    text: Callable[[], str]
    exit_code: int = 0
    then: Callable[[], int] | None = None


class Commands(click.Group):
    """A group whose help lists commands under headings, in the order of their definition. Run as a program, it tells
    errors in one line and exits with the code of their kind (:mod:`.cli_errors`)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headings: dict[str, list[str]] = {}

    def command_of(
        self, heading: str, *requests: str, example: str, name: str | None = None
    ) -> Callable[[Callable[..., Output]], Callable[..., Output]]:
        """A decorator: makes a function of requests a command; its docstring is the help.

        Parameters
        ----------
        heading : in the help of the group
        requests : dataclasses of settings as ``module:Class``, the module relative to this package and imported when
            it is needed; the function gets one object of each
        example : a command line, shown at the end of the help
        name : by default the function's, with hyphens
        """

        def make(function: Callable[..., Output]) -> Callable[..., Output]:
            self.add_to(heading, _Command(name or function.__name__.replace("_", "-"), requests, function, example))
            return function

        return make

    def add_to(self, heading: str, command: click.Command) -> None:
        """Add a command under a heading."""
        assert command.name is not None
        self.add_command(command)
        self.headings.setdefault(heading, []).append(command.name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for heading, names in self.headings.items():
            with formatter.section(heading):
                formatter.write_dl([(n.ljust(width), self.commands[n].get_short_help_str(200)) for n in names])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:  # part of another program, which gets the errors
            return super().main(args, prog_name, complete_var, False, **extra)

        def run() -> Any:
            return super(Commands, self).main(args, prog_name, complete_var, False, obj=_PROGRAM, **extra)

        sys.exit(ended(run, list(sys.argv[1:] if args is None else args)))

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with escaping(extra.get("obj") is _PROGRAM):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with escaping(ctx.obj is _PROGRAM and ctx.parent is None):
            return super().invoke(ctx)


class _Command(click.Command):
    """A command of requests, which are imported when its options are looked at; its epilog is an example."""

    def __init__(self, name: str, requests: tuple[str, ...], function: Callable[..., Output], example: str) -> None:
        super().__init__(name, callback=self._run, help=function.__doc__, epilog=example)
        del self.params
        self._paths = requests
        self._function = function

    @cached_property
    def requests(self) -> tuple[type, ...]:
        """The dataclasses of its options."""
        places = [path.split(":") for path in self._paths]
        return tuple(getattr(import_module(f".{module}", __package__), name) for module, name in places)

    @cached_property
    def params(self) -> list[click.Parameter]:  # type: ignore[override]
        """The options of its requests, and ``--json``."""
        as_json = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON on stdout.")
        return [*(p for request in self.requests for p in parameters(request)), as_json]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            left = super().parse_args(ctx, args)
        except click.UsageError as error:
            self._refuse_split_pair(given, ctx)
            if isinstance(error, click.NoSuchOption):
                raise self._no_such_option(error, ctx) from None
            raise
        self._refuse_split_pair(given, ctx)  # a command of several stores takes the value for one of them
        return left

    def _refuse_split_pair(self, args: Sequence[str], ctx: click.Context) -> None:
        """Raises: click's UsageError for ``--set tau0 0.5``, which is one word, ``--set tau0=0.5``."""
        of_pairs = {flag for p in self.params if p.metavar == "KEY=VALUE" for flag in p.opts}
        for flag, key, value in zip(args, args[1:], args[2:], strict=False):
            if flag in of_pairs and "=" not in key and not value.startswith("-") and not os.path.lexists(value):
                raise click.UsageError(f"{flag} takes one word, KEY=VALUE: {flag} {key}={value}", ctx)

    def _no_such_option(self, error: click.NoSuchOption, ctx: click.Context) -> click.UsageError:
        """The error with the commands that have the option, instead of another option that looks like it."""
        from difflib import get_close_matches

        group = ctx.parent.command if ctx.parent is not None else None
        name = error.option_name
        others = [
            other.name or ""
            for other in (group.commands.values() if isinstance(group, Commands) else ())
            if isinstance(other, _Command) and any(name in p.opts for p in other.params if not getattr(p, "hidden", 0))
        ]
        if not others or get_close_matches(name, error.possibilities or (), 1, 0.86):
            return error
        out = "; its figures are printed: write them with `> FILE`" if name == "--out" else ""
        few = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
        return click.UsageError(f"{ctx.info_name} has no option {name}, which is one of {few}{out}", ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options of everybody, then those of one kind of annotations or metric under a heading of their own."""
        section_of = {s.name: s.section for request in self.requests for s in fields_of(request)}
        rows: dict[str, list[tuple[str, str]]] = {"": []}
        for p in self.get_params(ctx):
            record = p.get_help_record(ctx)
            if record is not None:
                rows.setdefault(section_of.get(p.name or "", ""), []).append(record)
        for heading, records in rows.items():
            with formatter.section(heading or "Options"):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.epilog:
            with formatter.section("Example"):
                formatter.write(f"{'':>{formatter.current_indent}}{self.epilog}\n")

    def _run(self, as_json: bool, **values: Any) -> None:
        show_own_log()
        if as_json and values.get("table") is not None:
            raise UsageError("--table and --json are two forms of one output; give one of them")
        given = _given(click.get_current_context(), self.requests, values)
        made: list[Any] = []
        for request in self.requests:
            names = {s.name for s in fields_of(request)}
            made.append(from_options(request, {name: value for name, value in given.items() if name in names}))
        output = self._function(*made)
        if as_json:
            say(strict_json(output.data()))
        elif text := output.text():
            say(text)
        code = output.exit_code if output.then is None else output.then()
        if code:
            sys.exit(code)


# --- options -----------------------------------------------------------------------------------------------------


def parameters(request: type) -> Iterator[click.Parameter]:
    """The arguments and options of a request; former spellings are hidden options, see :func:`_former_name`."""
    for s in fields_of(request):
        yield _argument(s) if not s.flags else _option(s, s.flags, s.name)
        for flag in s.former:
            yield _option(s, (flag,), _former_name(s.name, flag), hidden=True)


def _argument(s: Setting) -> click.Argument:
    metavar, needed = s.metavar or s.name.upper(), s.default is REQUIRED
    return click.Argument(
        [s.name],
        nargs=-1 if s.multiple else 1,
        required=needed,
        type=s.kind,
        metavar=f"{metavar}..." if s.multiple else metavar if needed else f"[{metavar}]",
        shell_complete=_completion(s, metavar),
    )


def _option(s: Setting, flags: tuple[str, ...], name: str, hidden: bool = False) -> click.Option:
    given: dict[str, Any] = {}
    if s.kind is bool:
        given["is_flag"] = True
    else:
        given["type"] = s.kind if s.choices is None else click.Choice(s.choices)
    if s.default is not REQUIRED:
        given["default"] = s.default
    return click.Option(
        [*flags, name],
        help=f"{s.help}  [default: {s.shown_default}]" if s.shown_default else s.help,
        required=s.default is REQUIRED and not hidden,
        multiple=s.multiple,
        metavar=s.metavar,
        hidden=hidden,
        show_default=not s.shown_default and s.default not in ("", ()),
        shell_complete=_completion(s, flags[0]) if s.choices is None and s.kind is str else None,
        **given,
    )


def _former_name(name: str, flag: str) -> str:
    return f"{name}_as_{flag.strip('-').replace('-', '_')}"


def _given(ctx: click.Context, requests: tuple[type, ...], values: dict[str, Any]) -> dict[str, Any]:
    """The values that were typed, by the names of the settings; a note for each former spelling."""

    def typed(name: str) -> bool:
        return ctx.get_parameter_source(name) is not ParameterSource.DEFAULT

    given = {name: value for name, value in values.items() if typed(name)}
    for s in (s for request in requests for s in fields_of(request)):
        for flag in s.former:
            name = _former_name(s.name, flag)
            if name not in given:
                continue
            value = given.pop(name)
            if s.name in given:
                raise UsageError(f"{flag} is called {s.flags[0]} now; give one of them")
            given[s.name] = value
            for one in value if s.multiple else [value]:
                note(f"Note: {flag} {one} is called {s.flags[0]} {one} now")
    return given


# --- completion in shells ----------------------------------------------------------------------------------------

KIND_OF = {
    "--dataset": "dataset", "DATASET": "dataset", "--metrics": "metric", "--decoder": "decoder",
    "--backbone": "backbone", "NAME": "backbone",
}  # fmt: skip
"""Options, and arguments by their place holder, that take the name of a registered object."""

TRACKS = ("audio", "visual", "audio_visual")

FILES = {"FILE", "PATH", "PREDICTIONS", "FIRST", "SECOND", "MEDIA", "TEXTS"}
FOLDERS = {"FOLDER", "STORE", "CHECKPOINT"}


def _completion(s: Setting, spelling: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """What a shell offers for an option or argument: names where it takes a name, else files or folders."""

    def complete(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        if s.metavar == "SOURCE" and ctx.command.name != "ids":
            return [CompletionItem(begun, type="file")]
        if s.metavar in FILES | FOLDERS:
            return [CompletionItem(begun, type="dir" if s.metavar in FOLDERS else "file")]
        try:
            names = _names(spelling, ctx.params, begun)
        except Exception:  # a shell that completes has no place for errors
            names = []
        stores = [CompletionItem(begun, type="dir")] if s.metavar == "SOURCE" else []
        return [*(CompletionItem(name) for name in names if name.startswith(begun)), *stores]

    return complete


def _names(spelling: str, values: dict[str, Any], begun: str) -> list[str]:
    if spelling == "SOURCE":
        spelling = "DATASET"
    if spelling in KIND_OF:
        from .registration import registry_of

        names = registry_of(KIND_OF[spelling]).names()
        return ["auto", *names] if spelling == "--metrics" else names
    if spelling == "--profile":
        return list(PROFILES)
    decoder = values.get("decoder") or "av2a"
    if spelling == "--tracks":
        before = begun.rpartition(",")[0]
        given = before.split(",") if before else []
        return [",".join([*given, track]) for track in TRACKS if track not in given]
    if spelling == "--set":
        return _settings(decoder, begun.partition("=")[0] if "=" in begun else None)
    return _presets(decoder) if spelling == "--preset" else []


def _settings(decoder: str, key: str | None) -> list[str]:
    """``KEY=`` of each option of a decoder, or every ``KEY=VALUE`` of one that is a choice or a switch."""
    if decoder == "av2a":
        from .core.params.av2a import Params

        options: type[OptionSet] = Params
    elif decoder == "ovavel":
        from .core.params.ovavel import OvavelParams

        options = OvavelParams
    else:
        from .registration import registry_of

        options = registry_of("decoder").get(decoder).params
    words = option_words(options)
    return [f"{name}=" for name in words] if key is None else [f"{key}={word}" for word in words.get(key, ())]


def _presets(decoder: str) -> list[str]:
    """Names of a decoder's presets; those of the package's own decoders without importing Numba."""
    if decoder == "av2a":
        from .core.params.presets import PRESETS

        return list(PRESETS)
    if decoder == "ovavel":
        from .core.params.presets import OVAVEL_PRESETS

        return list(OVAVEL_PRESETS)
    from .registration import registry_of

    try:
        return list(registry_of("decoder").get(decoder).presets)
    except UsageError:
        return []
