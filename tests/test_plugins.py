"""Parts of others: in every list, run by the command line, and left out when they are broken."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.plugins import Registry

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = (REPOSITORY / "docs" / "plugins.md").read_text("utf-8")

PARTS = '''
import torch
from sterling.face.pad import Network, Output


class Grey(Network):
    """Liveness by a learned share of each colour."""

    name = "grey"

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(3, 1, 1)

    def forward(self, images, present=None):
        self.require(images, present)
        return Output(maps=torch.nn.functional.avg_pool2d(self.mix(images), 8).sigmoid()[:, 0])


def keep_everything(model, forget, retain, rng):
    return model.eval()


NOTHING = ("Ours, 2026", lambda setup: keep_everything)
'''


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of the page, and further parts, as pip leaves it there."""
    folder = tmp_path_factory.mktemp("site")
    entry, study, detector = blocks("python")[3:6]
    points = blocks("toml")[0].replace('"', "").replace("project.entry-points.", "")
    install(
        folder,
        "fair_coin",
        f"{points}\n[sterling.face.networks]\ngrey = fair_coin.parts:Grey\n"
        "[sterling.privacy.unlearning]\nnothing = fair_coin.parts:NOTHING\n",
    )
    (folder / "fair_coin").mkdir()
    (folder / "fair_coin" / "__init__.py").write_text(entry)
    (folder / "fair_coin" / "study.py").write_text(study)
    (folder / "fair_coin" / "parts.py").write_text(detector + PARTS)
    return folder


def install(folder: Path, name: str, points: str) -> None:
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(points)


Done = subprocess.CompletedProcess[str]


def python(folder: Path, *arguments: str, site: Path | str | None = None) -> Done:
    paths = [str(REPOSITORY / "src"), *([str(site)] if site else [])]
    return subprocess.run(
        [sys.executable, "-c", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


def run(folder: Path, *arguments: str, site: Path | str | None = None) -> Done:
    return python(folder, "from sterling.cli import main; main()", *arguments, site=site)


def test_a_study_of_another_package_is_listed_cited_and_run(site: Path, tmp_path: Path) -> None:
    shown = json.loads(run(tmp_path, "list", "--json", site=site).stdout)
    listed = {each["name"]: each for each in shown["studies"]}
    assert listed["fair_coin"]["paper"] == "Fair Coins"
    assert listed["fair_coin"]["presets"] == ["smoke", "quick", "paper"]
    assert "cdcn" in listed
    assert run(tmp_path, "cite", "fair_coin", site=site).stdout.startswith("@misc{coin2026")
    program = (
        "import pathlib; from sterling.testing import check_study; "
        "from sterling.studies import STUDIES; "
        "check_study(STUDIES['fair_coin'], pathlib.Path('checked'), resume_on='inline'); "
        "from sterling.cli import main; main()"  # in one process: importing torch takes seconds
    )
    done = python(tmp_path, program, "run", "fair_coin", "--preset", "smoke", "--json", site=site)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["study"] == "fair_coin"


def test_a_network_of_another_package_is_listed_with_ours(site: Path, tmp_path: Path) -> None:
    program = (
        "from sterling.face.pad import MODELS, build_network; "
        "print(len(MODELS), build_network({'name': 'grey'}).to_dict()); "
        "from sterling.cli import main; main()"  # in one process: importing torch takes seconds
    )
    data = tmp_path / "data"
    make_faces(data)
    arguments = ("face", "train", "--data", str(data), "--model", "grey", "--cropped")
    options = ("--size", "32", "--epochs", "1", "--out", "detector")
    done = python(tmp_path, program, *arguments, *options, site=site)
    assert done.stdout.splitlines()[0] == "20 {'name': 'grey'}", done.stderr
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "detector" / "config.json").read_text())
    assert config["model"]["name"] == "grey"


def make_faces(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for kind, level in (("live", 160), ("spoof/print", 80)):
        (folder / kind).mkdir(parents=True)
        for person in range(12):
            pixels = rng.integers(level - 40, level + 40, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"person{person}_1.png")


def test_a_text_detector_of_another_package_is_trained(site: Path, tmp_path: Path) -> None:
    lines = [
        {"id": f"{kind}{n}", "group": f"g{n}", "text": word * (20 + n), "label": label}
        for n in range(30)
        for kind, label, word in (("h", 0, "a bee sat "), ("m", 1, "furthermore delightfully "))
    ]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = ("text", "train", "corpus.jsonl", "--detector", "word_length", "--out", "detector")
    done = run(tmp_path, *arguments, "--json", site=site)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["development"]["auroc"] == 1
    wrong = run(tmp_path, "text", "train", "corpus.jsonl", "--detector", "word_lenth", site=site)
    assert wrong.returncode == 2
    assert "did you mean word_length" in wrong.stderr


EXAMPLES = ("my_network", "my_detector", "my_method")


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """The first three files of the page, in the folder in which commands run."""
    for name, block in zip(EXAMPLES, blocks("python"), strict=False):
        code = [line for line in block.splitlines() if line.strip()]
        assert len(code) <= 20, f"{name}: {len(code)} lines"
        (tmp_path / f"{name}.py").write_text(block)
    return tmp_path


def test_the_network_of_the_page_keeps_its_contract_and_is_trained(examples: Path) -> None:
    make_faces(examples / "photos")
    program = (
        "import torch, my_network; from sterling.testing import check_network; "
        "images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)); "
        "check_network(lambda seed: my_network.Grey(seed=seed), images); "
        "from sterling.cli import main; main()"
    )
    line = next(one for one in PAGE.splitlines() if one.startswith("sterling --plugin my_network"))
    options = ("--cropped", "--size", "32", "--epochs", "1")
    done = python(examples, program, *line.split()[1:], *options, site=examples)
    assert done.returncode == 0, done.stderr
    assert (examples / "detector" / "config.json").is_file()


def test_the_text_detector_of_the_page_keeps_its_contract_and_detects(examples: Path) -> None:
    for folder, seeds in (("known", range(10, 70, 2)), ("inbox", range(15, 65, 6))):
        (examples / folder).mkdir()
        for seed in seeds:
            text = "".join(f"{'word ' * (seed if k == 1 else 9)}. " for k in range(1, 12))
            (examples / folder / f"{seed}.txt").write_text(text)
    program = (
        "import my_detector; from sterling.testing import check_text_detector; "
        "human = ['a b c d e f g. ' * 3 + 'h ' * n for n in (9, 30)]; "
        "machine = ['a b c d e f g. ' * n for n in (3, 4)]; "
        "check_text_detector(my_detector.Evenness(), human, machine); "
        "from sterling.cli import main; main()"
    )
    line = next(one for one in PAGE.splitlines() if one.startswith("sterling --plugin my_detector"))
    done = python(examples, program, *line.split()[1:], site=examples)
    assert done.returncode == 0, done.stderr
    assert "scored by evenness" in done.stdout


SMALL = ('grid=[["mlp", "random"]]', "requests=0", "sequence=[]", "authors=[0, 0, 0, 0]", "seeds=1")


@pytest.mark.smoke
def test_the_unlearning_method_of_the_page_keeps_its_contract_and_is_attacked(
    examples: Path,
) -> None:
    program = (
        "import torch, my_method; from sterling.privacy.unlearning import Descent, Examples; "
        "from sterling.testing import check_unlearning; "
        "rng = torch.Generator().manual_seed(0); "
        "x, y = torch.randn(24, 5, generator=rng), torch.arange(24) % 3; "
        "parts = [Examples(x[k::2], y[k::2], torch.arange(24)[k::2]) for k in (0, 1)]; "
        "method = lambda *given: my_method.blur(*given, descent=Descent(5, 0.01, 8)); "
        "check_unlearning(method, torch.nn.Linear(5, 3), *parts); "
        "from sterling.cli import main; main()"
    )
    line = next(one for one in PAGE.splitlines() if one.startswith("sterling --plugin my_method"))
    options = [part for each in SMALL for part in ("--set", each)]
    command = (*shlex.split(line)[1:], "--preset", "smoke", "--json", *options)
    done = python(examples, program, *command, site=examples)
    assert done.returncode in (0, 1, 4), done.stderr
    assert "blur" in json.dumps(json.loads(done.stdout)["tables"])


@pytest.mark.smoke
def test_an_unlearning_method_of_another_package_is_attacked(site: Path, tmp_path: Path) -> None:
    options = [part for each in ('methods=["nothing"]', *SMALL) for part in ("--set", each)]
    command = ("run", "forgetting_benchmark", "--preset", "smoke", "--json")
    done = run(tmp_path, *command, *options, site=site)
    assert done.returncode in (0, 1, 4), done.stderr
    assert "nothing" in json.dumps(json.loads(done.stdout)["tables"])


def test_a_named_module_adds_parts_also_in_the_processes_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "my_parts.py").write_text(
        blocks("python")[3].replace('"fair_coin.study"', '"my_study"')
        + "\nfrom sterling.studies import ENTRIES\nENTRIES['fair_coin'] = ENTRY\n"
    )
    (tmp_path / "my_study.py").write_text(blocks("python")[4].replace("fair_coin", "my_parts", 1))
    command = ("run", "fair_coin", "--preset", "smoke", "--json", "--plugin", "my_parts")
    done = run(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["command"].endswith("--plugin my_parts")
    missing = run(tmp_path, "--plugin", "no_such_parts", "list")
    assert missing.returncode == 2
    assert "--plugin no_such_parts: no such module" in missing.stderr


def test_broken_parts_are_left_out_with_one_line_each(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "broken.py").write_text("raise RuntimeError('no\\nluck')")
    (other / "wrong.py").write_text(
        "from sterling.study import StudyEntry\n"
        "TEXT = 'a text'\n"
        "TWICE = StudyEntry('cdcn', 'Ours.', 'face', 'yu2020searching', 'wrong')\n"
        "UNCITED = StudyEntry('uncited', 'Ours.', 'face', 'yu2021', 'wrong')\n"
    )
    install(
        other,
        "other",
        "[sterling.studies]\nbroken = broken:ENTRY\ncdcn = wrong:TWICE\ntext = wrong:TEXT\n"
        "gone = nowhere:ENTRY\nrenamed = wrong:TWICE\nuncited = wrong:UNCITED\n",
    )
    done = run(tmp_path, "list", "--json", site=other)
    assert done.returncode == 0
    names = [each["name"] for each in json.loads(done.stdout)["studies"]]
    assert len(names) == len(set(names))
    assert not {"broken", "text", "gone", "renamed", "uncited"} & set(names)
    lines = done.stderr.splitlines()
    for start, words in (
        ("broken = broken:ENTRY of other 1.0", "RuntimeError: no luck"),
        ("cdcn = wrong:TWICE", "study 'cdcn' exists already (sterling); choose another name"),
        ("text = wrong:TEXT", "'a text' is no sterling.study.StudyEntry"),
        ("gone = nowhere:ENTRY", "No module named 'nowhere'"),
        ("renamed = wrong:TWICE", "its entry has the name 'cdcn'"),
        ("uncited = wrong:UNCITED", "unknown paper 'yu2021'"),
    ):
        (line,) = [each for each in lines if each.startswith(f"plugin left out: {start}")]
        assert words in line
    assert len(lines) == 6


def test_the_first_of_two_packages_keeps_a_name(site: Path, tmp_path: Path) -> None:
    later = tmp_path / "later"
    later.mkdir()
    install(later, "later", "[sterling.studies]\nfair_coin = fair_coin:ENTRY\n")
    done = run(tmp_path, "list", "--json", site=f"{site}{os.pathsep}{later}")
    assert [each["name"] for each in json.loads(done.stdout)["studies"]].count("fair_coin") == 1
    assert "exists already (fair_coin = fair_coin:ENTRY of fair_coin 1.0)" in done.stderr


def test_help_loads_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('loaded')")
    install(tmp_path, "other", "[sterling.studies]\nbroken = broken:ENTRY\n")
    done = run(tmp_path, "--plugin", "broken", "--help", site=tmp_path)
    assert done.returncode == 0
    assert not done.stderr


def test_a_registry_checks_what_is_assigned() -> None:
    def check(name: str, part: int) -> None:
        if part < 0:
            raise InputError(f"{name} is negative")

    numbers = Registry("number", "sterling.tests.numbers", {"one": 1}, check)
    numbers["two"] = 2
    assert dict(numbers) == {"one": 1, "two": 2}
    with pytest.raises(InputError, match="number 'one' exists already"):
        numbers["one"] = 3
    with pytest.raises(InputError, match="minus is negative"):
        numbers["minus"] = -1
    del numbers["two"]
    assert list(numbers) == ["one"]
    assert "two" not in numbers
