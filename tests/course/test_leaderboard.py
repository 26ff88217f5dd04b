"""What groups hand in: honest work is accepted, each planted fault has its reason."""

import io
import json
import os
import re
import shutil
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workshop_lib.course.leaderboard.archive import read_files
from workshop_lib.course.leaderboard.competition import Competition, score
from workshop_lib.course.leaderboard.judge import Accepted, Rejected, judge
from workshop_lib.course.leaderboard.packing import submit
from workshop_lib.course.leaderboard.predictions import from_csv
from workshop_lib.course.leaderboard.refusal import RefusedError
from workshop_lib.course.leaderboard.submission import check_group, parse
from workshop_lib.data.scenes import Scenes
from workshop_lib.data.splits import PARTS, Split
from workshop_lib.errors import WorkshopError
from workshop_lib.evaluation.evaluate import evaluate
from workshop_lib.recipe import Recipe
from workshop_lib.training.loop import train
from workshop_lib.training.run import Run

ROOT = Path(__file__).parents[2]
CLASSES = ("Forest", "River", "Port")
RECIPE = Recipe(
    data="photos", size=16, labels_per_class=4, method="supervised", steps=12,
    eval_every=2, batch_size=6,
)  # fmt: skip


def some_scenes() -> Scenes:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % 3
    noise = torch.randint(0, 120, (120, 3, 16, 16), generator=generator)
    images = (noise + 50 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    return Scenes(images, labels, CLASSES, tuple(f"{i}.png" for i in range(120)))


@pytest.fixture(scope="module")
def rules() -> Competition:
    return Competition("photos", some_scenes(), labels_per_class=4)


def trained(folder, split: Split, recipe: Recipe = RECIPE) -> Run:
    scenes = some_scenes()
    run = train(recipe, scenes, split, folder=folder, verbose=False)
    evaluate(run, scenes, split)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory, rules) -> Run:
    return trained(tmp_path_factory.mktemp("run"), rules.split)


@pytest.fixture
def honest(run, tmp_path) -> dict[str, bytes]:
    """The files of an honest submission, to be changed."""
    return read_files(submit(run, "The Otters", tmp_path / "packed"))


def write_zip(path, files: dict[str, bytes]):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def kinds(found: Accepted | Rejected) -> set[str]:
    return {r.kind for r in found.reasons} if isinstance(found, Rejected) else set()


def arrays_of(files) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(files["predictions.npz"]), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def as_npz(arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_honest_work_is_accepted_and_scored_as_evaluate_scores_it(run, rules, tmp_path):
    path = submit(run, "  The   Otters ", tmp_path)
    found = judge(path, rules)
    assert isinstance(found, Accepted) and found.warnings == ()
    it = found.submission
    assert it.group == "The Otters" and it.labels == 12 and it.steps == 12
    assert it.seconds == run.facts["seconds"] and it.recipe == RECIPE
    told = json.loads((run.folder / "evaluation.json").read_text())
    reached = score(found.predicted, rules.truth_in_order)
    assert reached == pytest.approx(told["scores"]["accuracy"], abs=1e-12)


def test_no_true_class_is_handed_in(run, honest):
    assert set(arrays_of(honest)) == {"names", "probs", "class_names"}
    assert b"truth" in (run.folder / "predictions.npz").read_bytes()
    split = json.loads(honest["submission.json"])["split"]
    names = set(some_scenes().names)
    assert all(set(split[part]) <= names for part in PARTS)
    assert sum(map(len, honest.values())) < 100_000


def test_the_same_run_gives_the_same_file_and_another_group_another(run, tmp_path):
    first = submit(run, "Otters", tmp_path)
    content = first.read_bytes()
    assert submit(run, "Otters", tmp_path) == first and first.read_bytes() == content
    other = submit(run, "Öl/../Pest <b>", tmp_path)
    assert re.fullmatch(r"l-pest-b-[0-9a-f]{8}\.zip", other.name)
    assert sorted(tmp_path.iterdir()) == sorted([first, other])


def test_fewer_labels_and_another_order_of_the_images_are_fine(rules, tmp_path):
    few = Split.make(some_scenes(), labels_per_class=2)
    run = trained(tmp_path / "run", few, RECIPE.with_(labels_per_class=2))
    path = submit(run, "Few", tmp_path)
    found = judge(path, rules)
    assert isinstance(found, Accepted) and found.submission.labels == 6
    files = read_files(path)
    arrays = arrays_of(files)
    order = np.random.default_rng(0).permutation(len(arrays["names"]))
    classes = [2, 0, 1]
    files["predictions.npz"] = as_npz(
        {
            "names": arrays["names"][order],
            "probs": arrays["probs"][order][:, classes],
            "class_names": arrays["class_names"][classes],
        }
    )
    turned = judge(write_zip(tmp_path / "turned.zip", files), rules)
    assert isinstance(turned, Accepted)
    np.testing.assert_array_equal(turned.predicted, found.predicted)


def test_a_split_of_ones_own_binds_everybody(tmp_path):
    own = Split.make(some_scenes(), labels_per_class=3, seed=7)
    rules = Competition("photos", some_scenes(), split=own)
    path = submit(trained(tmp_path / "own", own), "Own", tmp_path)
    assert isinstance(judge(path, rules), Accepted)
    drawn = Split.make(some_scenes(), labels_per_class=3, seed=8)
    other = submit(trained(tmp_path / "drawn", drawn), "Other", tmp_path)
    # Another seed puts test images among those of training
    assert kinds(judge(other, rules)) == {"names"} | {
        f"test_in_{part}" for part in ("labeled", "unlabeled", "val")
    }


def edit_json(files, name, change):
    content = json.loads(files[name])
    change(content)
    files[name] = json.dumps(content).encode()


def edit_run(**values):
    def change(files):
        edit_json(files, "submission.json", lambda said: said["run"].update(values))

    return change


def edit_recipe(**values):
    return lambda files: edit_json(files, "recipe.json", lambda r: r.update(values))


def edit_arrays(change):
    def changed(files):
        arrays = arrays_of(files)
        change(arrays)
        files["predictions.npz"] = as_npz(arrays)

    return changed


def edit_split(change):
    return lambda files: edit_json(
        files, "submission.json", lambda said: change(said["split"])
    )


def edit_log(pattern, new):
    def change(files):
        text, times = re.subn(pattern, new, files["log.csv"].decode())
        assert times
        files["log.csv"] = text.encode()

    return change


def put(name, content):
    return lambda files: files.update({name: content})


def drop(name):
    return lambda files: files.pop(name)


def swap(part):
    """Move a test image into another part, in place of one that goes to the test."""

    def change(split):
        split[part][0], split["test"][0] = split["test"][0], split[part][0]

    return edit_split(change)


def fewer(arrays):
    arrays["names"], arrays["probs"] = arrays["names"][:-2], arrays["probs"][:-2]


def more(arrays):
    arrays["names"] = np.append(arrays["names"], "stranger.png")
    arrays["probs"] = np.concatenate([arrays["probs"], arrays["probs"][:1]])


def one_twice(arrays):
    arrays["names"] = arrays["names"].copy()
    arrays["names"][1] = arrays["names"][0]


def rename_class(arrays):
    arrays["class_names"] = np.array(["Forest", "River", "Harbour"])


def two_alike(arrays):
    arrays["class_names"] = np.array(["Forest", "River", "River"])


def too_sure(arrays):
    arrays["probs"] = arrays["probs"] * 1.5


def not_a_number(arrays):
    arrays["probs"] = arrays["probs"].copy()
    arrays["probs"][3, 1] = np.nan


def negative(arrays):
    arrays["probs"] = arrays["probs"].copy()
    arrays["probs"][3] = [1.5, -0.25, -0.25]


def truth_to_fit(arrays):
    arrays["truth"] = arrays["probs"].argmax(axis=1)


def pickled(arrays):
    arrays["names"] = arrays["names"].astype(object)


CSV = b"image,class\n0.png,Forest\n"
FAULTS = {
    # name: (change of the files, kind of every reason, words of the reason)
    "no recipe": (drop("recipe.json"), "missing_file", "no recipe.json"),
    "no facts": (drop("submission.json"), "missing_file", "no submission.json"),
    "no log": (drop("log.csv"), "missing_file", "no log.csv"),
    "no predictions": (drop("predictions.npz"), "missing_file", "no predictions"),
    "two predictions": (put("predictions.csv", CSV), "missing_file", "which one"),
    "no json": (put("submission.json", b"{"), "submission", "no JSON text"),
    "a list": (put("submission.json", b"[]"), "submission", "no JSON object"),
    "deep": (put("submission.json", b"[" * 10**5), "submission", "no JSON text"),
    "old format": (put("submission.json", b'{"format": 0}'), "submission", "format"),
    "group": (
        lambda f: edit_json(f, "submission.json", lambda s: s.update(group="a\u202eb")),
        "group",
        "can be printed",
    ),
    "knob": (edit_recipe(lables=4), "recipe", "unknown recipe knob 'lables'"),
    "words for steps": (edit_recipe(steps="12"), "recipe", "damaged"),
    "a list for data": (edit_recipe(data=["photos"]), "recipe", "data="),
    "recipe a list": (put("recipe.json", b"[1]"), "recipe", "damaged"),
    "other data": (edit_recipe(data="mini_eo:7"), "data", "mini_eo:7"),
    "fewer images": (edit_arrays(fewer), "names", r"2 of the 30 test images are not"),
    "more images": (edit_arrays(more), "names", r"1 predicted images are not in"),
    "one twice": (edit_arrays(one_twice), "names", "more than once"),
    "unknown class": (edit_arrays(rename_class), "classes", "Harbour|not the 3"),
    "a class twice": (edit_arrays(two_alike), "classes", "not the 3 of the data"),
    "sums": (edit_arrays(too_sure), "probabilities", "30 images"),
    "NaN": (edit_arrays(not_a_number), "probabilities", "1 images"),
    "negative": (edit_arrays(negative), "probabilities", "1 images"),
    "altered truth": (edit_arrays(truth_to_fit), "truth", "were altered"),
    "code": (edit_arrays(pickled), "predictions", "no array of numbers"),
    "no npz": (put("predictions.npz", b"x" * 100), "predictions", "BadZipFile"),
    "other arrays": (
        put("predictions.npz", as_npz({"a": np.zeros(3)})),
        "predictions",
        "KeyError",
    ),
    "more labels asked": (
        edit_recipe(labels_per_class=8),
        {"too_many_labels", "split"},
        "its recipe uses 8 labels per class; allowed are 4",
    ),
    "all labels asked": (
        edit_recipe(labels_per_class=0),
        {"too_many_labels", "split"},
        "its recipe uses all labels",
    ),
    "more labels counted": (edit_run(labels=24), "too_many_labels", "counted 24"),
    "fewer labels counted": (edit_run(labels=9), "labels", "counted 9.*lists 12"),
    "fewer labels asked": (
        edit_recipe(labels_per_class=2),
        {"labels", "split"},
        "asks for 2 labels per class, 6 in all, but its run counted 12",
    ),
    "labels not told": (edit_run(labels=None), "labels", "does not state the labels"),
    "labels true": (edit_run(labels=True), "labels", "does not state the labels"),
    "half a label": (edit_run(labels=11.5), "labels", "no whole number"),
    "test as labelled": (swap("labeled"), "test_in_labeled", "learnt with the labels"),
    "test as unlabelled": (swap("unlabeled"), "test_in_unlabeled", "was shown 1 test"),
    "test as validation": (swap("val"), "test_in_val", "chose its weights"),
    "hash altered": (
        edit_split(lambda s: s.update(sha256="0" * 64)), "split_hash", "altered",
    ),
    "hash alone": (
        edit_split(lambda s: [s.pop(p) for p in PARTS] + [s.update(sha256="0" * 64)]),
        "split",
        "not that of the competition",
    ),
    "lists altered": (
        edit_split(lambda s: s["unlabeled"].pop()), "split_hash", "altered",
    ),
    "other images": (
        edit_split(lambda s: s["val"].append("stranger.png")), "split", "other images",
    ),
    "half the lists": (edit_split(lambda s: s.pop("val")), "split_hash", "only"),
    "lists of numbers": (edit_split(lambda s: s.update(val=[1])), "split_hash", "list"),
    "no hash": (edit_split(lambda s: s.pop("sha256")), "split_hash", "sha256"),
    "no time": (edit_run(seconds=None), "time", "does not state the seconds"),
    "time zero": (edit_run(seconds=0), "time", "does not state the seconds"),
    "time NaN": (edit_run(seconds=float("nan")), "time", "does not state the seconds"),
    "time huge": (edit_run(seconds=10**400), "time", "does not state the seconds"),
    "time halved": (edit_run(seconds=0.001), "time", "its log ends at"),
    "clock backwards": (edit_log(r"[\d.]+\n$", "0.0000001\n"), "time", "backwards"),
    "no clock": (edit_log("seconds", "hours"), "time", "no rows with step and seconds"),
    "holes": (edit_log(r"[\d.]+\n$", "\n"), "time", "missing from its log"),
    "words in the log": (edit_log(r"\n2\.0,", "\ntwo,"), "log", "no table of numbers"),
    "no log rows": (put("log.csv", b"step,seconds\n"), "time", "no rows"),
    "steps": (edit_run(steps=24), "steps", "its run counted 24"),
    "recipe of more steps": (edit_recipe(steps=2000), "steps", "asks for 2000 steps"),
    "validation": (
        put("log.csv", b"step,seconds,val_accuracy\n12,1,5\n"),
        {"log", "time"},
        "not between 0 and 1",
    ),
    "csv lacks class": (
        lambda f: (f.pop("predictions.npz"), put("predictions.csv", b"image\n1\n")(f)),
        "predictions",
        "lacks image or class",
    ),
    "csv short row": (
        lambda f: (f.pop("predictions.npz"), put("predictions.csv", CSV + b"1\n")(f)),
        "predictions",
        "unequal length",
    ),
    "csv empty": (
        lambda f: (f.pop("predictions.npz"), put("predictions.csv", b"")(f)),
        "predictions",
        "no table",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_refused_for_its_own_reason(
    fault, honest, rules, tmp_path
):
    change, kind, words = FAULTS[fault]
    change(honest)
    found = judge(write_zip(tmp_path / "planted.zip", honest), rules)
    assert isinstance(found, Rejected)
    assert kinds(found) == ({kind} if isinstance(kind, str) else kind), found.reasons
    assert any(re.search(words, reason.message) for reason in found.reasons)
    assert all(len(r.message) <= 300 and r.message.isprintable() for r in found.reasons)


def test_time_that_no_machine_reaches_is_refused(honest, rules, tmp_path):
    edit_run(seconds=1.2e-4)(honest)
    honest["log.csv"] = b"step,seconds\n6,6e-5\n12,1.2e-4\n"
    found = judge(write_zip(tmp_path / "a.zip", honest), rules)
    assert kinds(found) == {"time"} and "no machine" in found.reasons[0].message


def perfect(files, rules):
    files.pop("predictions.npz")
    rows = [f"{name},{CLASSES[k]}" for name, k in rules.truth.items()]
    files["predictions.csv"] = "\n".join(["image,class", *rows]).encode()


def test_a_perfect_score_is_looked_into_but_not_refused(honest, rules, tmp_path):
    perfect(honest, rules)
    honest["log.csv"] = re.sub(
        rb"(?m)^(\d+\.0),.*,([\d.]+)$", rb"\1,\2,0.4", honest["log.csv"]
    ).replace(honest["log.csv"].split(b"\n")[0], b"step,seconds,val_accuracy")
    found = judge(write_zip(tmp_path / "a.zip", honest), rules)
    assert isinstance(found, Accepted)
    assert score(found.predicted, rules.truth_in_order) == 1
    assert any("all 30 test images are right" in w for w in found.warnings)
    assert any("never more than 40.0% on validation" in w for w in found.warnings)


def test_a_log_whose_pace_leaps_is_looked_into(honest, rules, tmp_path):
    edit_run(seconds=5.02)(honest)
    ticks = [(2, 1), (4, 2), (6, 2.02), (8, 3.02), (10, 4.02), (12, 5.02)]
    log = "\n".join(["step,seconds", *(f"{s},{t}" for s, t in ticks)])
    honest["log.csv"] = log.encode()
    found = judge(write_zip(tmp_path / "a.zip", honest), rules)
    assert isinstance(found, Accepted)
    assert found.warnings == ("up to step 6 its log runs 50 times as fast as usual.",)


def test_the_hand_made_example_of_the_docs_is_accepted(rules, tmp_path):
    """No lists, no probabilities, a folder; on the data and split of this test."""
    text = (ROOT / "docs" / "competition.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:json)?\n(.*?)```", text.split("## By hand")[1], re.S)
    table, recipe, log, said = blocks
    folder = tmp_path / "by hand"
    folder.mkdir()
    (folder / "log.csv").write_text(log)
    own = json.loads(recipe) | {"data": "photos"}
    (folder / "recipe.json").write_text(json.dumps(own))
    facts = json.loads(said)
    facts["split"]["sha256"] = rules.split.digest(rules.scenes)
    facts["run"]["labels"] = 12
    (folder / "submission.json").write_text(json.dumps(facts))
    head = table.split("\n")[0]
    rows = [f"{name},Port" for name in rules.truth]
    text = "\r\n".join(["\ufeff" + head, *rows, ""])  # as Excel writes it
    (folder / "predictions.csv").write_bytes(text.encode())
    found = judge(folder, rules)
    assert isinstance(found, Accepted), found.reasons
    assert found.submission.group == "By hand" and found.warnings == ()
    assert score(found.predicted, rules.truth_in_order) == pytest.approx(1 / 3)
    truth = [f"{row},River" for row in rows]
    (folder / "predictions.csv").write_text("\n".join([f"{head},truth", *truth]))
    assert kinds(judge(folder, rules)) == {"truth"}


def damaged(kind: str, path, files):
    """Write an archive that is not what it should be."""
    write_zip(path, files)
    if kind == "cut off":
        path.write_bytes(path.read_bytes()[:-200])
    if kind == "flipped":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    if kind == "empty":
        path.write_bytes(b"")
    if kind == "slip":
        write_zip(path, {**files, "../../evil.txt": b"x"})
    if kind == "absolute":
        write_zip(path, {**files, "/etc/evil": b"x"})
    if kind == "drive":
        write_zip(path, {**files, "C:\\evil": b"x"})
    if kind == "twice":
        write_zip(path, {**files, "folder/recipe.json": b"{}"})
    if kind == "lzma":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    if kind == "bomb":
        write_zip(path, {**files, "log.csv": bytes(65 * 2**20)})
    if kind == "large":
        path.write_bytes(os.urandom(17 * 2**20))
    if kind == "encrypted":
        content = bytearray(path.read_bytes())
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(mark) + offset] |= 1
        path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("cut off", "unreadable"),
        ("flipped", "unreadable"),
        ("empty", "unreadable"),
        ("encrypted", "unreadable"),
        ("lzma", "unreadable"),
        ("slip", "unsafe"),
        ("absolute", "unsafe"),
        ("drive", "unsafe"),
        ("twice", "twice"),
        ("bomb", "too_large"),
        ("large", "too_large"),
    ],
)
def test_archives_that_are_none_are_refused(kind, reason, honest, rules, tmp_path):
    found = judge(damaged(kind, tmp_path / "a.zip", honest), rules)
    assert kinds(found) == {reason}, found
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "packed"]
    assert not (tmp_path.parent / "evil.txt").exists()


def test_other_files_and_links_are_refused(honest, rules, tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert kinds(judge(tmp_path / "notes.txt", rules)) == {"not_a_submission"}
    assert kinds(judge(tmp_path / "gone.zip", rules)) == {"unreadable"}
    good = write_zip(tmp_path / "good.zip", honest)
    (tmp_path / "link.zip").symlink_to(good)
    assert kinds(judge(tmp_path / "link.zip", rules)) == {"unsafe"}
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "recipe.json").symlink_to("/etc/hostname")
    assert kinds(judge(tmp_path / "folder", rules)) == {"unsafe"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.zip")  # reading it would wait for ever
        assert kinds(judge(tmp_path / "pipe.zip", rules)) == {"not_a_submission"}


def test_a_zipped_folder_of_a_mac_is_read(honest, rules, tmp_path):
    inside = {f"otters/{name}": content for name, content in honest.items()}
    inside |= {f"__MACOSX/._{name}": b"x" for name in honest}
    inside |= {"otters/best.pt": b"weights are left alone"}
    assert isinstance(judge(write_zip(tmp_path / "a.zip", inside), rules), Accepted)


def header_only(shape, dtype="<f4") -> bytes:
    """A numpy file whose header promises more than there is."""
    buffer = io.BytesIO()
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((10**12, 10), "<f4"),
        ((10**15,), "<U0"),
        ((-1, -(10**12)), "<f4"),
        ((-5,), "<f4"),
        ((2,), "|O"),
    ],
)
def test_an_array_that_the_file_cannot_hold_is_refused_before_it_is_made(
    shape, dtype, honest
):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("probs.npy", header_only(shape, dtype))
    with pytest.raises(RefusedError, match="no array of numbers") as caught:
        parse({**honest, "predictions.npz": buffer.getvalue()})
    assert caught.value.finding.kind == "predictions"


def test_a_pickle_is_never_opened(honest, rules, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    arrays = arrays_of(honest)
    arrays["class_names"] = np.array([Evil(), Evil(), Evil()], dtype=object)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pickles, as numpy does by default
    shutil.rmtree(tmp_path / "executed", ignore_errors=True)
    honest["predictions.npz"] = buffer.getvalue()
    found = judge(write_zip(tmp_path / "a.zip", honest), rules)
    assert kinds(found) == {"predictions"}
    assert not (tmp_path / "executed").exists()


def test_whatever_goes_wrong_inside_ends_as_a_reason(
    honest, rules, tmp_path, monkeypatch
):
    def stumble(files):
        raise MemoryError

    monkeypatch.setattr("workshop_lib.course.leaderboard.judge.parse", stumble)
    found = judge(write_zip(tmp_path / "a.zip", honest), rules)
    assert kinds(found) == {"unreadable"} and "MemoryError" in found.reasons[0].message


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["submission.json", "recipe.json", "log.csv",
    "predictions.npz", "predictions.csv"]), st.binary(max_size=300)))  # fmt: skip
def test_bytes_of_any_kind_are_refused_never_a_crash(files):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RefusedError):
            parse(files)


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1))
def test_any_names_survive_a_csv(rows):
    import csv

    text = io.StringIO(newline="")
    csv.writer(text).writerows([("image", "class"), *rows])
    found = from_csv(text.getvalue().encode())
    assert list(zip(found["names"], found["predicted"], strict=True)) == rows


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_a_groups_name_is_taken_as_shown_or_refused(text):
    try:
        name = check_group(text)
    except WorkshopError:
        words = " ".join(text.split())
        assert not words or len(words) > 40 or not words.isprintable()
        return
    assert 1 <= len(name) <= 40 and name.isprintable() and check_group(name) == name
    name.encode()  # no half characters, which no file could hold


@pytest.mark.parametrize("group", ["", "   ", "x" * 41, "a\x1b[31m", "a\u200db", None])
def test_names_that_cannot_be_shown_are_refused(group, run, tmp_path):
    with pytest.raises(WorkshopError, match="group's name"):
        submit(run, group, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_run_without_predictions_or_split_is_explained(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    (folder / "split" / "val.txt").unlink()
    with pytest.raises(WorkshopError, match=r"cannot read .*val\.txt"):
        submit(Run.load(folder), "Otters", tmp_path / "to")
    (folder / "predictions.npz").unlink()
    with pytest.raises(WorkshopError, match="workshop evaluate"):
        submit(Run.load(folder), "Otters", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_competition_on_a_leaking_split_is_not_begun():
    scenes = some_scenes()
    split = Split.make(scenes)
    with pytest.raises(WorkshopError, match=r"not fit for a competition(.|\n)*overlap"):
        Competition("photos", scenes, split=replace(split, val=split.test))


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        ("mini_eo", "mini_eo:2026", True),
        ("mini_eo", "mini_eo:7", False),
        ("mini_eo:7", "mini_eo:7", True),
        ("ucm", "/home/me/UCMerced_LandUse/Images", True),
        ("ucm", "mini_eo", False),
    ],
)
def test_data_are_known_by_their_split_but_mini_eo_by_its_seed(mine, theirs, same):
    rules = Competition(mine, some_scenes())
    assert rules.is_about(theirs) is same
