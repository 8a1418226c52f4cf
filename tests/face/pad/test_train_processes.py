import subprocess
import sys
from pathlib import Path

SCRIPT = """
import torch
from sterling.face.pad import CDCN, TrainConfig, train
from sterling.face.pad.weights import digest

torch.set_num_threads(1)
images = torch.randint(
    0, 256, (13, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
maps = torch.zeros(13, 4, 4)
maps[::2] = 1
seen = []
model = CDCN(4)
history = train(model, images, maps, TrainConfig(epochs=2, batch_size=4), progress=seen.append)
print("weights", digest(*model.parameters()), history.epochs[-1].loss, len(seen), flush=True)
"""


def test_two_processes_end_with_the_same_weights(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*launcher, "--nproc_per_node=2", str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("weights")]
    (_, first, first_loss, first_seen), (_, second, second_loss, second_seen) = lines
    assert first == second
    assert first_loss == second_loss
    assert sorted((first_seen, second_seen)) == ["0", "2"]  # one process alone reports
