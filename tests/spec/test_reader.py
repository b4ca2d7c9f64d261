"""Reading a study: files that are none, overrides, paths, and text of every kind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.spec.reader import load_study
from harness.spec.space import Choices, Range
from harness.spec.study import StudySpec
from harness.spec.study.json_schema import study_schema
from tests.conftest import num_examples

GOOD = """\
name: good
data: {path: a.csv}
model: {checkpoint: tiny}
training: {learning_rate: {low: 1e-5, high: 1e-4}, batch_size: [8, 16]}
"""
REVISION = "0123456789abcdef0123456789abcdef01234567"
HUB = f"""\
name: hub
data: {{hub: {{id: owner/set, revision: {REVISION}}}, text: question, text_pair: context, label: coarse}}
model: {{checkpoint: [tiny, small]}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / "good.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    path = tmp_path / "hub.yaml"
    path.write_text(HUB, encoding="utf-8")
    return path


def error_of(path: Path, *overrides: str) -> str:
    with pytest.raises(SpecError) as caught:
        load_study(path, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_load_study_reads_literals_ranges_and_lists(study: Path) -> None:
    spec = load_study(study)
    assert isinstance(spec.training.learning_rate, Range)
    assert spec.training.learning_rate.low == 1e-5
    assert spec.training.batch_size == Choices(choices=(8, 16))
    assert spec.training.epochs == 3.0


def test_load_study_reads_its_own_json_again(study: Path) -> None:
    spec = load_study(study)
    assert StudySpec.model_validate_json(spec.model_dump_json(), strict=True) == spec


def test_byte_order_mark_and_windows_line_ends_are_read(study: Path) -> None:
    study.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_study(study).name == "good"


def test_every_mistake_has_its_line(study: Path) -> None:
    study.write_text(GOOD + "search:\n  trials: 0\n  seed: x\nconfirm:\n  topp: 1\n", encoding="utf-8")
    lines = error_of(study).splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        [f"{study}:6", "search.trials"],
        [f"{study}:7", "search.seed"],
        [f"{study}:9", "confirm.topp"],
    ]


def test_missing_file_names_the_nearest(study: Path) -> None:
    assert "no such study file; did you mean 'good.yaml'?" in error_of(study.with_name("goood.yaml"))


def test_missing_folder_is_told(tmp_path: Path) -> None:
    assert "no such study file" in error_of(tmp_path / "none" / "good.yaml")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_impossible_file_name_is_told(tmp_path: Path, name: str) -> None:
    assert len(error_of(tmp_path / name).splitlines()) == 1


def test_folder_is_no_study(tmp_path: Path) -> None:
    assert "is not a file" in error_of(tmp_path)


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "is not a file" in error_of(tmp_path / "pipe.yaml")


def test_file_above_one_mebibyte_is_refused(study: Path) -> None:
    study.write_text(GOOD + "#" * 2**20, encoding="utf-8")
    assert "larger than 1 MiB" in error_of(study)


def test_file_that_is_not_utf8_is_refused_with_its_line(study: Path) -> None:
    study.write_bytes(b"name: x\ntask: \xe9\n")
    assert error_of(study) == f"{study}:2: is not UTF-8 (byte 0xe9)"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the study is empty"),
        ("# nothing\n", "the study is empty"),
        ("- a\n- b", "must be a mapping of keys, not ['a', 'b']"),
        ("quickstart", "must be a mapping of keys, not 'quickstart'"),
        ("a: 1\n---\nb: 1", ":2: a second document"),
        ("a: [", "not valid YAML"),
    ],
)
def test_text_that_is_no_study_is_refused(study: Path, text: str, words: str) -> None:
    study.write_text(text, encoding="utf-8")
    assert words in error_of(study)
    assert len(error_of(study).splitlines()) == 1


def test_duplicate_alias_and_tag_are_told_with_the_rest(study: Path) -> None:
    study.write_text(GOOD + "name: again\nsearch: &s {trials: 0}\nbudget: *s\ntask: !x image\n", encoding="utf-8")
    lines = error_of(study).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["name", "search", "search.trials", "budget", "task"]


# Overrides


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("training.epochs=1e0", {"training": {"epochs": 1.0}}),
        ("training.batch_size=[4, 2]", {"training": {"batch_size": {"choices": [4, 2]}}}),
        ("training.batch_size={low: 4, high: 8}", {"training": {"batch_size": {"low": 4, "high": 8}}}),
        ("training.learning_rate.high=2e-5", {"training": {"learning_rate": {"low": 1e-5, "high": 2e-5}}}),
        ("confirm=null", {"confirm": None}),
        ("confirm.top=5", {"confirm": {"top": 5, "seeds": 2}}),
        ("search.trials=12", {"search": {"trials": 12}}),
        ("budget={minutes: 5}", {"budget": {"minutes": 5.0, "trial_minutes": None}}),
        ("data.label=a=b", {"data": {"label": "a=b"}}),
        ("data.label='12'", {"data": {"label": "12"}}),
    ],
)
def test_override_is_applied(study: Path, override: str, expected: dict[str, object]) -> None:
    plain = json.loads(load_study(study, [override]).model_dump_json())
    for key, value in expected.items():
        assert value is None or isinstance(value, dict)
        assert plain[key] == value if value is None else value.items() <= _pruned(plain[key]).items()


def _pruned(section: dict[str, object]) -> dict[str, object]:
    """Without the defaults of ranges and choices."""
    return {
        key: {name: item for name, item in value.items() if item not in (None, False)}
        if isinstance(value, dict) and ("low" in value or "choices" in value)
        else value
        for key, value in section.items()
    }


def test_last_override_wins(study: Path) -> None:
    assert load_study(study, ["search.trials=3", "search.trials=4"]).search.trials == 4


def test_override_of_null_section_opens_it(study: Path) -> None:
    study.write_text(GOOD + "confirm: null\n", encoding="utf-8")
    confirm = load_study(study, ["confirm.top=3"]).confirm
    assert confirm is not None
    assert confirm.top == 3


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trials", "command line: 'trials' is not key=value; for example training.batch_size=[8,16]"),
        ("=3", "command line: '=3' is not key=value"),
        ("a b=3", "command line: 'a b=3' is not key=value"),
        ("search..trials=3", "command line: 'search..trials=3' is not key=value"),
        ("search.trails=3", "command line: search.trails: unknown key; allowed here: trials,"),
        ("search.trials=[3", "command line: search.trials: not valid YAML: "),
        ("search.trials=&x 3", "command line: search.trials: anchors and aliases"),
        ("search.trials=1e999", "command line: search.trials: is a number out of range"),
        ("search.trials=-3", "command line: search.trials: must be at least 1, not -3"),
        ("search.trials=+4", "command line: search.trials: '+4' adds nothing: trials is the total, those done before"),
        ("training.batch_size={low: 3, high: 2}", "command line: training.batch_size: low 3 must be below high 2"),
        ("training.learning_rate={low: x, high: 2}", "command line: training.learning_rate.low: must be a number"),
        ("training.batch_size.low=3", "command line: training.batch_size.low: training.batch_size is [8, 16], which"),
        ("name.x=3", "command line: name.x: name is 'good', which has no keys; give it as a whole: name={x: ...}"),
    ],
)
def test_wrong_override_is_told_as_the_command_lines(study: Path, override: str, words: str) -> None:
    found = error_of(study, override)
    assert found.startswith(words)
    assert len(found.splitlines()) == 1


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("lr=3e-5", "training.learning_rate"),
        ("decay=0", "training.weight_decay"),
        ("training.warmup=0.1", "warmup_fraction"),
        ("model.lr=3e-5", "training.learning_rate"),
        ("model.batch=8", "training.batch_size"),
    ],
)
def test_short_name_of_a_table_is_understood(study: Path, override: str, meant: str) -> None:
    assert error_of(study, override).endswith(f"; did you mean '{meant}'?")


def test_mistakes_of_file_and_command_line_are_told_together(study: Path) -> None:
    study.write_text(GOOD + "task: text\n", encoding="utf-8")
    lines = error_of(study, "search.trials=0", "nonsense").splitlines()
    assert len(lines) == 3
    assert lines[-1].startswith(f"{study}:5: task: ")


# Paths


def test_path_in_file_is_relative_to_the_file(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.parent.parent)
    assert load_study(Path("studies/good.yaml")).data.path == str(study.parent / "a.csv")


def test_path_on_command_line_is_relative_to_the_current_folder(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.parent.parent)
    assert load_study(study, ["data.path=../b.csv"]).data.path == str(study.parent.parent.parent / "b.csv")
    assert load_study(study, ["data={path: b.csv}"]).data.path == str(study.parent.parent / "b.csv")


def test_home_folder_is_expanded(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert load_study(study, ["data.path=~/b.csv"]).data.path == "/somewhere/b.csv"
    assert "no usable path" in error_of(study, "data.path=~nobody-of-that-name/b.csv")


def test_checkpoint_folder_is_absolute_and_its_layers_stay(study: Path) -> None:
    (study.parent / "mine").mkdir()
    names = "[./a, mine#layers=2, owner/model, owner/model#layers=3, scratch]"
    spec = load_study(study, [f"model={{checkpoint: {names}, architecture: {{model_type: bert}}}}"])
    assert spec.model.checkpoints[0] == str(Path.cwd() / "a")
    study.write_text(GOOD.replace("tiny", "[./a, mine#layers=2, owner/model]"), encoding="utf-8")
    assert load_study(study).model.checkpoints == (
        str(study.parent / "a"),
        f"{study.parent / 'mine'}#layers=2",
        "owner/model",
    )


def test_checkpoint_choices_are_made_absolute(study: Path) -> None:
    study.write_text(GOOD.replace("tiny", "{choices: [../a, b]}"), encoding="utf-8")
    assert load_study(study).model.checkpoints == (str(study.parent.parent / "a"), "b")


def test_checkpoint_below_a_folder_with_a_hash_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "c#"
    folder.mkdir()
    (folder / "s.yaml").write_text(GOOD.replace("tiny", "./m#layers=2"), encoding="utf-8")
    assert load_study(folder / "s.yaml").model.checkpoint == f"{folder}/m#layers=2"


def test_storage_path_is_absolute_unless_it_is_a_url(study: Path) -> None:
    study.write_text(GOOD + "engine: {name: ray, storage_path: shared}\n", encoding="utf-8")
    assert load_study(study).engine.storage_path == str(study.parent / "shared")
    assert load_study(study, ["engine.storage_path=s3://x/y"]).engine.storage_path == "s3://x/y"


def test_address_as_path_is_kept_for_the_error_of_the_reader(study: Path) -> None:
    assert load_study(study, ["data.path=https://x.org/t.csv"]).data.path == "https://x.org/t.csv"


# Sources of data


def test_keys_of_files_go_with_a_path_alone(study: Path, hub: Path) -> None:
    data = load_study(study, ["data.delimiter=;", "data.encoding=cp1252", "data.quoting=none", "data.header=2"]).data
    assert (data.delimiter, data.encoding, data.quoting, data.header) == (";", "cp1252", "none", 2)
    assert "delimiter, header: goes with data.path" in error_of(hub, "data.delimiter=tab", "data.header=none")
    study.write_text(GOOD.replace("path: a.csv", "path: a.csv, delimiter: ;"), encoding="utf-8")
    assert load_study(study, ["data.path=b.csv"]).data.delimiter == ";"
    assert load_study(study, ["data.builtin=digits", "task=image-classification"]).data.delimiter is None


def test_columns_may_be_numbers(study: Path) -> None:
    data = load_study(study, ["data.label=1", "data.columns={text: 3}"]).data
    assert (data.label, data.columns) == ("1", {"text": "3"})
    assert "must be text" in error_of(study, "data.text=true")


def test_path_on_command_line_replaces_the_hub_and_its_columns(hub: Path) -> None:
    data = load_study(hub, ["data.path=x.csv", "search.trials=2"]).data
    assert (data.hub, data.text, data.label) == (None, "text", "label")
    assert data.text_pair == "context", "a second column is never dropped unsaid"


def test_columns_on_command_line_stay_when_the_source_is_replaced(hub: Path) -> None:
    data = load_study(hub, ["data.label=kind", "data.path=x.csv", "search.trials=2"]).data
    assert (data.text, data.label) == ("text", "kind")


def test_columns_stay_for_another_source_of_the_same_kind(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(GOOD.replace("a.csv", "a.csv, label: kind"), encoding="utf-8")
    assert load_study(file, ["data.path=b.csv"]).data.label == "kind"


def test_hub_on_command_line_replaces_the_path(study: Path) -> None:
    data = load_study(study, [f"data.hub={{id: a/b, revision: {REVISION}}}"]).data
    assert data.path is None
    assert data.hub is not None
    assert data.hub.id == "a/b"


def test_two_sources_on_command_line_are_refused(study: Path) -> None:
    assert "exactly one of path, hub, builtin" in error_of(study, "data.builtin=digits", "data.path=x")


# Schema


def test_schema_knows_what_the_reader_knows(study: Path) -> None:
    validator = jsonschema.Draft202012Validator(study_schema())
    validator.check_schema(validator.schema)
    good = yaml.safe_load(GOOD.replace("1e-", "1.0e-"))
    assert list(validator.iter_errors(good)) == []
    for wrong in ({"nmae": "x"}, {"training": {"batch_size": [0]}}, {"training": {"schedule": "liner"}}):
        assert list(validator.iter_errors(good | wrong)) != []


# Anything


KEYS = st.sampled_from(
    [
        "name",
        "task",
        "data",
        "model",
        "training",
        "search",
        "budget",
        "confirm",
        "engine",
        "path",
        "hub",
        "id",
        "revision",
        "builtin",
        "text",
        "label",
        "split",
        "train",
        "seed",
        "preprocess",
        "augment",
        "max_length",
        "train_rows",
        "checkpoint",
        "architecture",
        "model_type",
        "layers",
        "freeze",
        "dropout",
        "learning_rate",
        "batch_size",
        "epochs",
        "schedule",
        "evaluations_per_epoch",
        "trials",
        "sampler",
        "pruner",
        "objectives",
        "top",
        "low",
        "high",
        "log",
        "step",
        "choices",
        "when",
        "training.schedule",
        "x",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["linear", "grid", "asha", "auto", "scratch", "digits", "a#layers=2", "~x/y", "./a", 1, 2, 0.5])
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


def read_or_refuse(file: Path, overrides: list[str]) -> None:
    try:
        spec = load_study(file, overrides)
    except SpecError as error:
        assert error.problems
        assert all(line.isprintable() for line in str(error).splitlines())
        assert len(str(error).splitlines()) == len(error.problems)
    else:
        assert StudySpec.model_validate_json(spec.model_dump_json(), strict=True) == spec


@settings(deadline=None)
@given(text=st.text(max_size=80) | st.binary(max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    read_or_refuse(file, [])


@settings(max_examples=num_examples(200), deadline=None)
@given(tree=st.dictionaries(KEYS, TREES, max_size=6), good=st.booleans())
@example(tree={"engine": "\x1e"}, good=False)
def test_any_tree_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, tree: dict, good: bool) -> None:
    file = tmp_path_factory.getbasetemp() / "tree.yaml"
    base = {"name": "x", "data": {"path": "a.csv"}, "model": {"checkpoint": "tiny"}} if good else {}
    file.write_text(json.dumps(base | tree), encoding="utf-8")
    read_or_refuse(file, [])


@settings(max_examples=num_examples(200), deadline=None)
@given(
    overrides=st.lists(
        st.text(max_size=20)
        | st.builds(
            lambda keys, value: f"{'.'.join(keys)}={json.dumps(value)}", st.lists(KEYS, min_size=1, max_size=3), TREES
        ),
        max_size=3,
    )
)
def test_any_override_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, overrides: list[str]) -> None:
    file = tmp_path_factory.getbasetemp() / "good.yaml"
    file.write_text(GOOD, encoding="utf-8")
    read_or_refuse(file, overrides)
