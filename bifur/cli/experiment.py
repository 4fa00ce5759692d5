"""`bifur experiment`: one command for each entry of `bifur.training.experiments.EXPERIMENTS`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bifur._say import nearest
from bifur.cli.base import progress


class Words(click.Command):
    """A command whose options of many values take them as words, with commas, or both."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`--values 0 1e-3 --seeds 2` is read as `--values 0 --values 1e-3 --seeds 2`."""
        many = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        spread: list[str] = []
        current = None
        for word in args:
            if word.startswith("-") and not _is_number(word):
                name, equals, value = word.partition("=")
                current = name if name in many else None
                words = ([value] if equals else []) if current else [word]
            else:
                words = [word]
            for entry in words:
                if current is None:
                    spread.append(entry)
                else:
                    for part in filter(None, entry.split(",")):
                        spread += [current, part]
        return super().parse_args(ctx, spread)


class Experiments(click.Group):
    """The registry as commands; importing the command line does not import it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names."""
        from bifur.training.experiments import EXPERIMENTS

        return sorted(EXPERIMENTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Made from its options when it is asked for."""
        from bifur.training.experiments import EXPERIMENTS

        return _command(cmd_name, EXPERIMENTS[cmd_name]) if cmd_name in EXPERIMENTS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, with the names in the sentence."""
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            raise ValueError(f"no experiment {args[0]!r}: there are {', '.join(names)}{nearest(args[0], names)}")
        return super().resolve_command(ctx, args)


@click.command(cls=Experiments, short_help="Train networks to test what the dynamics say.")
def experiment() -> None:
    """Train networks in an experiment that is kept in a folder, and goes on there when the command is given again."""


def _command(name: str, entry: Any) -> click.Command:
    """Its options, and -o."""

    def run(out: Path, **options: Any) -> None:
        given = {key: value for key, value in options.items() if value is not None and value != ()}
        try:
            with progress(name) as report:
                result = entry.function(out=out, progress=report, **given)
        except ValueError as error:
            raise ValueError(_as_options(str(error), entry)) from None
        click.echo(str(result))
        click.echo(f"{out}: {', '.join(sorted(path.name for path in out.iterdir()))}")

    parameters: list[click.Parameter] = [_option(option) for option in entry.options]
    folder = click.Path(path_type=Path, file_okay=False)
    shown = f"Folder of the runs, the table and the figure.  [default: {name}]"
    parameters.append(click.Option(["-o", "--out"], type=folder, default=Path(name), help=shown))
    return Words(name, callback=run, params=parameters, short_help=entry.summary, help=entry.summary)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _option(option: Any) -> click.Option:
    if option.kind is bool:
        return click.Option([f"--{option.name}", option.argument], is_flag=True, help=option.help)
    kind = click.Path(path_type=Path) if option.kind is Path else option.kind
    default = () if option.default is None else option.default if option.many else (option.default,)
    shown = f"  [default: {' '.join(str(value) for value in default)}]" if default else ""
    more = {"multiple": True, "metavar": f"{option.kind.__name__.upper()}..."} if option.many else {"default": None}
    return click.Option([f"--{option.name}", option.argument], type=kind, help=option.help + shown, **more)


def _as_options(sentence: str, entry: Any) -> str:
    """Arguments in backticks in the words of the command line."""
    for option in entry.options:
        sentence = sentence.replace(f"`{option.argument}`", f"--{option.name}")
    for argument, told in (("method", "--methods"), ("out", "-o"), ("weight_decay", "--values")):
        sentence = sentence.replace(f"`{argument}`", told)
    return sentence
