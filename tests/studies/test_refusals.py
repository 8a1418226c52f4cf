"""Data that a study cannot run on are named before anything is trained."""

import json
from pathlib import Path

import pytest
import torch
from tests.studies.smoke import run_smoke

from sterling.cli import main
from sterling.errors import InputError

TEXTS = [f"Text number {number}." for number in range(16)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each way in which data can be too few or something else."""
    made = tmp_path_factory.mktemp("data")
    files = {
        "records/few.csv": "1,0.5\n2,0.7\n" * 50,
        "tasks/task.json": json.dumps({"examples": [{"input": "1", "target": "2"}]}),
        "other/readme.txt": "",
    }
    texts = {
        "one": {"original": ["Human."], "sampled": ["Machine."]},
        "alone": {"original": TEXTS, "sampled": [text.upper() for text in TEXTS]},
        "list": [1],
    }
    for name, content in texts.items():
        files[f"{name}/xsum_gpt2-xl.json"] = json.dumps(content)
    for name, content in files.items():
        (made / name).parent.mkdir()
        (made / name).write_text(content)
    return made


@pytest.mark.parametrize(
    ("name", "assignment", "message"),
    [
        ("cardiacmind", "data={}/other", "holds 0 .csv files"),
        ("cardiacmind", "data={}/records", "no column 'fractional_shortening'"),
        ("forgetting_benchmark", 'grid=[["mpl","random"]]', "did you mean mlp"),
        ("forgetting_benchmark", 'grid=[["mlp","randon"]]', "did you mean random"),
        ("forgetting_benchmark", 'methods=["NPQ"]', "did you mean NPO"),
        ("forgetting_benchmark", "grid=[] authors=[0,1,1,1]", "nothing to run"),
        ("hats", "tokens=30", "lengths"),
        ("hmllm", "data={}/other", "none of 0 answers in 0 .json files"),
        ("hmllm", "data={}/tasks", "no list of"),
        ("lrm_conformal", "data={}/other", "holds neither model_solutions_part.jsonl"),
        ("faps", "crops=[96,128]", "the grid needs crop 112 and shift 0"),
        ("faps", "data={}/nowhere", "no such folder"),
        ("kv_cloak", "prompts=17", "there are 16; lower it"),
        ("kv_cloak", "data={}/other", "set it to false"),
        ("lwau", "source=digits", "ways 5: the validation part of .* has 2 classes"),
        pytest.param(
            *("lwau", "device=cuda", "use --set device=cpu"),
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
        ("metaadvdet", "research_use=false", "research_use false"),
        ("metaadvdet", 'known=["fgsm","pdg"]', "did you mean pgd"),
        ("mfr", "far=0.001", r"too few for rates below 0\.08"),
        ("mfr", "data={}/nowhere", "no such folder"),
        ("mgteval", "data={}/one", "domain xsum: 1 texts of a kind are"),
        ("mgteval", "data={}/alone", "two or more"),
        ("mgteval", "data={}/list", "neither pairs"),
        ("mia_fdr", "data={}/records", ": 100 records; give 400 or more"),
        ("mia_fdr", 'records=["cifar"]', "'cifar': .*breast_cancer, digits, simulated, wine"),
        ("pkaml", "across=[1,30]", "20 items; 30 shots and 2 queries need 32"),
        ("poseface", "far=0.0001", "too few for rates below"),
        ("poseface", "data={}/nowhere", "no such folder"),
        ("pre_map", "data={}/other", "neither fixations.json, .* see sterling.gaze.datasets"),
        ("raml", "data={}/nowhere", "nowhere: no such folder"),
        ("senn_conformal", "data={}/other", "give a folder with one of them"),
        ("smooth_reward", "data={}/other", "holds neither"),
        ("uncertainty_unlearning", 'problems=["mixtrue"]', "did you mean mixture"),
        ("uncertainty_unlearning", "seeds=[1,2]", "one number per problem"),
        ("uncertainty_unlearning", "owned=0.01", "lower the budget"),
        ("uncertainty_unlearning", "data={}/records", "holds 100 records, 2760 are needed"),
        ("upa", "data={}/tasks", "task task: 1 questions"),
    ],
)
def test_what_cannot_run_is_named(
    name: str, assignment: str, message: str, folder: Path, tmp_path: Path
) -> None:
    if name == "metaadvdet":
        pytest.importorskip("foolbox", reason="pip install 'sterling[attacks]'")
    assignments = [one.replace("{}", str(folder)) for one in assignment.split(" ")]
    with pytest.raises(InputError, match=message):
        run_smoke(name, tmp_path, *assignments)


@pytest.mark.parametrize("name", ["kv_cloak", "uncertainty_unlearning"])
def test_attacks_need_the_research_switch(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", name, "--preset", "quick", "--out", str(tmp_path / "run")])
    assert ended.value.code == 2
    assert "give --research-use" in capsys.readouterr().err
