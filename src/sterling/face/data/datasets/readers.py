"""One function per public data set: ``read_oulu_npu(folder)`` is ``OULU_NPU.read(folder)``."""

from sterling.face.data.datasets.casia_mfsd import CASIA_MFSD
from sterling.face.data.datasets.casia_surf import CASIA_SURF
from sterling.face.data.datasets.cefa import CEFA
from sterling.face.data.datasets.hifimask import HIFIMASK
from sterling.face.data.datasets.msu_mfsd import MSU_MFSD
from sterling.face.data.datasets.nuaa import NUAA
from sterling.face.data.datasets.oulu_npu import OULU_NPU
from sterling.face.data.datasets.replay_attack import REPLAY_ATTACK
from sterling.face.data.datasets.siw import SIW
from sterling.face.data.datasets.siw_m import SIW_M
from sterling.face.data.datasets.suhifimask import SUHIFIMASK
from sterling.face.data.datasets.wmca import WMCA

read_casia_mfsd = CASIA_MFSD.read
read_casia_surf = CASIA_SURF.read
read_cefa = CEFA.read
read_hifimask = HIFIMASK.read
read_msu_mfsd = MSU_MFSD.read
read_nuaa = NUAA.read
read_oulu_npu = OULU_NPU.read
read_replay_attack = REPLAY_ATTACK.read
read_siw = SIW.read
read_siw_m = SIW_M.read
read_suhifimask = SUHIFIMASK.read
read_wmca = WMCA.read
