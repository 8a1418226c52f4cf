import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os
from pathlib import Path

import torch
from sterling.face.pad import CDCN, TrainConfig, train
from sterling.face.pad.detector.weights import digest

torch.set_num_threads(1)
images = torch.randint(
    0, 256, (13, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
maps = torch.zeros(13, 4, 4)
maps[::2] = 1
seen = []
model = CDCN(4)
history = train(model, images, maps, TrainConfig(epochs=2, batch_size=4), progress=seen.append)
result = f"{digest(*model.parameters())} {history.epochs[-1].loss} {len(seen)}"
Path(__file__).with_name(os.environ["RANK"]).write_text(result)
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
        env={
            "ACCELERATE_USE_CPU": "true",
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "PATH": "",
        },
    )
    assert done.returncode == 0, done.stderr
    first, second = ((tmp_path / rank).read_text().split() for rank in ("0", "1"))
    assert first[:2] == second[:2]
    assert (first[2], second[2]) == ("2", "0")  # the main process alone reports
