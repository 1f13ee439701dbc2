"""Tables as Markdown, LaTeX and csv: the figures that are printed, whatever the names of labels and runs hold."""

from __future__ import annotations

import csv
import io
import re
import shutil
from pathlib import Path

import pytest
from avreplay.cli import main
from avreplay.core.names import NAME_PATTERN
from avreplay.evaluate.table_formats import formatted, plain_table
from avreplay.evaluate.text_tables import metrics_table
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.table import Table
from tuning_data import write_made

NAMES = st.one_of(
    st.sampled_from(["a_b & 50 %", "x|y", "[b]bold[/b]", "*", "[1]", "\\\\", "$x$ ~ ^ # {}", "<b>", "a / b",
                     "](u)", "-1"]),
    st.text(max_size=8),
).filter(
    # rich's escape() doubles a backslash at the end, and its markup does not take it back
    lambda s: re.match(NAME_PATTERN, s) and s == s.strip() and not s.endswith("\\")
)  # fmt: skip

_UNLATEX = [
    (r"\textbackslash{}", "\0"), (r"\textasciitilde{}", "~"), (r"\textasciicircum{}", "^"), (r"\textless{}", "<"),
    (r"\textgreater{}", ">"), (r"\textbar{}", "|"), (r"$\pm$", "±"), (r"\textsuperscript{2}", "²"),
]  # fmt: skip


def from_latex(cell: str) -> str:
    for written, char in _UNLATEX:
        cell = cell.replace(written, char)
    cell = re.sub(r"(?<!\\)\$-\$", "-", cell)
    cell = re.sub(r"^\{([\[*])\}", r"\1", cell)
    return re.sub(r"\\([{}&%$#_])", r"\1", cell).replace("\0", "\\")


def table_of(rows: list[list[str]]) -> Table:
    table = Table()
    table.add_column("")
    table.add_column("F\nseg / event", justify="right")
    table.add_column("difference", justify="right")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


FIGURES = st.floats(-100, 100).map(lambda x: f"{x:.1f}")
ROWS = st.lists(
    st.tuples(NAMES, st.tuples(FIGURES, FIGURES).map(" / ".join), FIGURES.map(lambda x: f"{x} [{x}, {x}]")).map(list),
    min_size=1, max_size=4,
)  # fmt: skip


@given(ROWS)
def test_markdown_has_the_cells(rows: list[list[str]]) -> None:
    lines = formatted([table_of(rows)], "md").split("\n")
    cells = [re.split(r" \| ", f"{line[1:-1]} ") for line in lines]
    assert [c.strip() for c in cells[0]] == ["", "F seg / event", "difference"]
    assert [[re.sub(r"\\([\\|*_`<&~$\]])", r"\1", c.strip()) for c in row] for row in cells[2:]] == rows


@given(ROWS)
def test_latex_has_the_cells(rows: list[list[str]]) -> None:
    text = formatted([table_of(rows), "100 % of it\n_"], "latex")
    assert re.match(r"\\begin\{tabular\}\{lrr\}\n\\toprule\n & F & difference ", text)
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0].splitlines()
    found = [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in body]
    assert all(line.endswith(r" \\") and line[0] not in "[*" for line in body)
    minus = [[cell.replace("−", "-").replace("–", "--") for cell in row] for row in rows]
    assert [[from_latex(cell) for cell in row] for row in found] == minus
    assert text.endswith("\\end{tabular}\n\n% 100 % of it\n% _")


@given(ROWS)
def test_csv_has_a_column_for_each_figure(rows: list[list[str]]) -> None:
    found = list(csv.reader(io.StringIO(formatted([table_of(rows), "a line"], "csv"))))
    assert found[0] == ["name", "F seg", "F event", "difference", "difference low", "difference high"]
    assert found[1:] == [[name, *pair.split(" / "), *[spread.split()[0]] * 3] for name, pair, spread in rows]


def test_names_of_several_rows_and_titles_are_in_each_row_of_csv() -> None:
    table = Table(title="Table [2]".replace("[", r"\["))
    for head in ("", ""):
        table.add_column(head)
    table.add_column("Audio", justify="right")
    table.add_row("ours", "measured", "1.0 / 2.0")
    table.add_row("", "paper", "3.0 / 4.0", end_section=True)
    table.add_row("theirs", "measured", "5.0 / 6.0")
    assert formatted([table, ""], "csv", ("segment", "event")).splitlines() == [
        "table,name,kind,Audio segment,Audio event",
        "Table [2],ours,measured,1.0,2.0",
        "Table [2],ours,paper,3.0,4.0",
        "Table [2],theirs,measured,5.0,6.0",
    ]
    assert formatted([table], "md").startswith("**Table [2]**\n\n|  |  | Audio |\n| --- | --- | ---: |\n| ours | meas")
    assert "4.0 \\\\\n\\addlinespace\ntheirs" in formatted([table], "latex")


def test_what_a_rich_table_holds_is_found() -> None:
    found = plain_table(metrics_table({"x": {"audio_seg": 1.25, "audio_event": 50.0}}))
    assert (found.heads, found.rows, found.right) == (
        [[""], ["Audio", "seg / event"]],
        [["x", "1.2 / 50.0"]],
        [False, True],
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tables")
    write_made(made, videos=4)
    shutil.copytree(made / "val.store", made / "copy.store")
    arguments = ["replay", str(made / "val.store"), "--set", "audio_scores=segment", "--out", str(made / "p.json")]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    return made


def commands(folder: Path) -> dict[str, list[str]]:
    truth = ["--dataset", "json", "--annotations", str(folder / "val.json"), "--split", "val"]
    predictions, store = str(folder / "p.json"), str(folder / "val.store")
    other = str(folder / "copy.store")
    searched = [*truth, "--report-split", "", "--trials", "4", "--set", "audio_scores=segment"]
    return {
        "evaluate": ["evaluate", predictions, *truth, "--bootstrap", "20", "--per-class"],
        "compare": ["compare", predictions, predictions, *truth, "--resamples", "20"],
        "tune": ["tune", store, *searched, "--out", str(folder / "tuned")],
        "tune of two": ["tune", store, other, *searched, "--out", str(folder / "two")],
    }


@pytest.mark.parametrize("name", ["evaluate", "compare", "tune", "tune of two"])
def test_commands_print_the_same_figures_in_each_form(name: str, folder: Path) -> None:
    arguments = commands(folder)[name]
    printed = {
        form: CliRunner().invoke(main, [*arguments, *(["--table", form] if form else [])])
        for form in ("", "md", "latex", "csv")
    }
    assert {form: done.exit_code for form, done in printed.items()} == dict.fromkeys(printed, 0), printed[""].output
    figures = {
        form: re.findall(r"[+-]?\d+\.\d+", done.stdout.replace("$-$", "-").partition("wrote")[0])
        for form, done in printed.items()
    }
    assert len(figures[""]) >= 4
    for form in ("md", "latex"):
        assert set(figures[form]) >= set(figures["csv"])
    tables = [line for line in printed[""].stdout.splitlines() if re.search(r"\s{2,}\S*\d\.\d", line)]
    for line in tables:
        for figure in re.findall(r"\d+\.\d+", line):
            assert figure in printed["csv"].stdout
            assert figure in printed["md"].stdout


def test_two_forms_of_output_are_refused(folder: Path) -> None:
    done = CliRunner().invoke(main, [*commands(folder)["compare"], "--table", "md", "--json"])
    assert done.exit_code == 2
    assert "--table and --json are two forms of one output; give one of them" in done.output
